/* A small central system on `ocpp-rpc` (npm), whose ledger is a CSV file in words and units of its own.

    NODE_PATH=…/node_modules node ocpp_rpc_csms.js LEDGER.csv strict|careless

It prints its port. `strict`: the library checks every call and every answer of a station against the official
schemas, and what it does not like is a line on standard error. `careless`: it breaks three rules, once per
message: Heartbeat's time is an hour late (HB-2), StatusNotification.conf has a field of its own (RPC-11), and
each station is asked for GetSecrets, which OCPP 1.6 does not have (RPC-7). Transactions are numbered anew for
each station.
*/
'use strict';

const fs = require('fs');
const { RPCServer } = require('ocpp-rpc');

const [ledger, manner] = process.argv.slice(2);
const careless = manner === 'careless';
const HEAD = 'charger,side,session,card,begin,from_kwh,end,to_kwh,readings';
const sessions = new Map();
const numbers = new Map();
const welcome = { status: 'Accepted' };
const now = (lateMs = 0) => new Date(Date.now() - lateMs).toISOString();

function write() {
    const rows = [...sessions.values()].map((row) => Object.values(row).join(','));
    fs.writeFileSync(ledger, [HEAD, ...rows].join('\n') + '\n');
}

function start(charger, { connectorId, idTag, meterStart, timestamp }) {
    const session = (numbers.get(charger) ?? 0) + 1;
    numbers.set(charger, session);
    sessions.set(`${charger}/${session}`, {
        charger, side: connectorId, session, card: idTag, begin: timestamp, from_kwh: meterStart / 1000,
        end: '', to_kwh: '', readings: 0,
    });
    write();
    return { transactionId: session, idTagInfo: welcome };
}

function stop(charger, { transactionId, meterStop, timestamp }) {
    const row = sessions.get(`${charger}/${transactionId}`);
    Object.assign(row, { end: timestamp, to_kwh: meterStop / 1000 });
    write();
    return { idTagInfo: welcome };
}

function read(charger, { transactionId }) {
    const row = sessions.get(`${charger}/${transactionId}`);
    if (row !== undefined) {
        row.readings += 1;
        write();
    }
    return {};
}

const ask = (client, action, payload) =>
    client.call(action, payload).catch((failure) => {
        if (!careless) process.stderr.write(`${client.identity} ${action}: ${failure.message}\n`);
    });

async function greet(client) {
    await ask(client, 'GetConfiguration', {});
    await ask(client, 'TriggerMessage', { requestedMessage: 'Heartbeat' });
    if (careless) await ask(client, 'GetSecrets', {});
}

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode: !careless });
server.on('client', (client) => {
    client.on('strictValidationFailure', ({ error }) => {
        process.stderr.write(`${client.identity}: ${error.message} ${JSON.stringify(error.details)}\n`);
    });
    client.handle('BootNotification', () => {
        setTimeout(greet, 200, client);
        return { status: 'Accepted', interval: 60, currentTime: now() };
    });
    client.handle('Heartbeat', () => ({ currentTime: now(careless ? 3_600_000 : 0) }));
    client.handle('StatusNotification', () => (careless ? { note: 'thank you' } : {}));
    client.handle('Authorize', () => ({ idTagInfo: welcome }));
    client.handle('StartTransaction', ({ params }) => start(client.identity, params));
    client.handle('MeterValues', ({ params }) => read(client.identity, params));
    client.handle('StopTransaction', ({ params }) => stop(client.identity, params));
});
write();
server.listen(0, '127.0.0.1').then((http) => process.stdout.write(`${http.address().port}\n`));
