"""The embedded central system: OCPP 1.6J over WebSocket, a SQLite ledger, a command API, faults on demand."""
