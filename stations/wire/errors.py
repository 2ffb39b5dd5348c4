"""The central system's faults in its own frames (RPC-1 … RPC-9): recorded as results, never crashes."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """CALLERROR codes of OCPP-J 1.6 §4.2.3, table 7. Peers invent others: a received code is any string."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"  # the spelling on the wire (JE5.1)
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class PeerError(Exception):
    """The peer broke a rule of OCPP-J or of a payload's schema.

    `message_id` is the id of the CALL to refuse with CALLERROR `code`; None when no answer is possible
    (RPC-6). `answers` is the id of our own CALL when the broken frame is its CALLRESULT or CALLERROR. `rule`
    is what a broken frame breaks: RPC-1, or RPC-6 for a message type that OCPP-J does not have.
    """

    def __init__(
        self,
        code: ErrorCode,
        description: str,
        message_id: str | None = None,
        *,
        answers: str | None = None,
        rule: str = "RPC-1",
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.message_id = message_id
        self.answers = answers
        self.rule = rule
