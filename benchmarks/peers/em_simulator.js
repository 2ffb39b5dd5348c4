// em-ocpp-chargepoint-simulator of npm in its batch mode; PEER_URL, PEER_STATIONS, PEER_INTERVAL say what to do.
const SAMPLES = [
  { value: "1234567", measurand: "Energy.Active.Import.Register", unit: "Wh" },
  { value: "7261.5", measurand: "Power.Active.Import", unit: "W" },
  { value: "31.4", measurand: "Current.Import", unit: "A" },
  { value: "231.2", measurand: "Voltage", unit: "V" },
];
const { PEER_URL, PEER_STATIONS, PEER_INTERVAL } = process.env;
const now = () => new Date().toISOString();

async function station(number) {
  await new Promise((done) => setTimeout(done, number * 5));
  const point = await connect(`${PEER_URL}/P${number}`);
  await point.sendBootnotification({ chargePointVendor: "v", chargePointModel: "m" });
  const begun = await point.startTransaction({
    connectorId: 1, idTag: "TAG", meterStart: 0, timestamp: now(),
  });
  setInterval(() => point.meterValues({
    connectorId: 1,
    transactionId: begun.transactionId,
    meterValue: [{ timestamp: now(), sampledValue: SAMPLES }],
  }), Number(PEER_INTERVAL) * 1000);
}

for (let number = 0; number < Number(PEER_STATIONS); number++) station(number);
