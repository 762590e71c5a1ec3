// Writes a birth payload made by a library that is not ours, with what is in it.
//
//	npm install sparkplug-payload@1.0.3 && node golden.mjs > sparkplug-payload.json
import { createRequire } from "node:module";

const payload = createRequire(process.cwd() + "/")("sparkplug-payload").get("spBv1.0");
const STAMP = 1_700_000_000_123;
const values = [
  ["Int8", 1, [-128, -1, 127]], ["Int16", 2, [-32768, -5, 32767]], ["Int32", 3, [-(2 ** 31), -7, 2 ** 31 - 1]],
  ["Int64", 4, [0, 2 ** 40]], ["UInt8", 5, [0, 255]], ["UInt16", 6, [0, 65535]], ["UInt32", 7, [0, 2 ** 32 - 1]],
  ["UInt64", 8, [0, 2 ** 40]], ["Float", 9, [1.5, -0.25]], ["Double", 10, [Math.PI, -1e300]], ["Boolean", 11, [true, false]],
];
const metrics = values.flatMap(([name, kind, all]) => all.map((value, i) => ({ name: `${name}/${i}`, type: name, kind, value })));
metrics.forEach((m, i) => { m.alias = i + 1; m.timestamp = STAMP + i; });
const bytes = payload.encodePayload({
  timestamp: STAMP, seq: 1,
  metrics: metrics.map(({ name, alias, timestamp, type, value }) => ({ name, alias, timestamp, type, value, properties: { engUnit: { type: "String", value: "bar" }, Quality: { type: "Int32", value: 192 } } })),
});
console.log(JSON.stringify({
  stamp: STAMP, seq: 1, unit: "bar", payload: Buffer.from(bytes).toString("hex"),
  metrics: metrics.map((m) => ({ name: m.name, alias: m.alias, kind: m.kind, stamp: m.timestamp, value: Number(m.value) })),
}, null, 1));
