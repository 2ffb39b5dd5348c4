// The `ocpp-rpc` library of npm, PEER_STRICT=1 validates as its README shows: node ocpp_rpc.cjs URL STATIONS INTERVAL_S
const { RPCClient } = require("ocpp-rpc");

const [url, stations, interval] = process.argv.slice(2);
const SAMPLES = [
  { value: "1234567", measurand: "Energy.Active.Import.Register", unit: "Wh" },
  { value: "7261.5", measurand: "Power.Active.Import", unit: "W" },
  { value: "31.4", measurand: "Current.Import", unit: "A" },
  { value: "231.2", measurand: "Voltage", unit: "V" },
];
const now = () => new Date().toISOString();

async function station(number) {
  await new Promise((done) => setTimeout(done, number * 5));
  const client = new RPCClient({
    endpoint: url,
    identity: `P${number}`,
    protocols: ["ocpp1.6"],
    strictMode: process.env.PEER_STRICT === "1",
  });
  await client.connect();
  await client.call("BootNotification", { chargePointModel: "m", chargePointVendor: "v" });
  const begun = await client.call("StartTransaction", {
    connectorId: 1, idTag: "TAG", meterStart: 0, timestamp: now(),
  });
  setInterval(() => client.call("MeterValues", {
    connectorId: 1,
    transactionId: begun.transactionId,
    meterValue: [{ timestamp: now(), sampledValue: SAMPLES }],
  }), Number(interval) * 1000);
}

for (let number = 0; number < Number(stations); number++) station(number);
