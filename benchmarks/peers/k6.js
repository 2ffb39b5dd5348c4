// k6 with its WebSocket module, a virtual user per station; PEER_URL, PEER_STATIONS, PEER_INTERVAL say what to do.
import { WebSocket } from "k6/websockets";

const SAMPLES = [
  { value: "1234567", measurand: "Energy.Active.Import.Register", unit: "Wh" },
  { value: "7261.5", measurand: "Power.Active.Import", unit: "W" },
  { value: "31.4", measurand: "Current.Import", unit: "A" },
  { value: "231.2", measurand: "Voltage", unit: "V" },
];
const stations = Number(__ENV.PEER_STATIONS);
export const options = {
  scenarios: { all: { executor: "per-vu-iterations", vus: stations, iterations: 1, maxDuration: "30m" } },
};
const now = () => new Date().toISOString();

export default function station() {
  setTimeout(() => {
    const socket = new WebSocket(`${__ENV.PEER_URL}/P${__VU}`, "ocpp1.6");
    let calls = 0;
    const ask = (action, payload) => socket.send(JSON.stringify([2, String(calls++), action, payload]));
    socket.addEventListener("open", () => ask("BootNotification", { chargePointModel: "m", chargePointVendor: "v" }));
    socket.addEventListener("message", (message) => {
      const answer = JSON.parse(message.data);
      if (answer[1] === "0") ask("StartTransaction", { connectorId: 1, idTag: "TAG", meterStart: 0, timestamp: now() });
      if (answer[1] !== "1") return;
      setInterval(() => ask("MeterValues", {
        connectorId: 1,
        transactionId: answer[2].transactionId,
        meterValue: [{ timestamp: now(), sampledValue: SAMPLES }],
      }), Number(__ENV.PEER_INTERVAL) * 1000);
    });
  }, __VU * 5);
}
