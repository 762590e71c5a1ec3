// Package simulate is a wind farm whose truth is known: weather, NREL 5 MW
// turbines, the telemetry and the vibration that they would send, and faults
// that grow to a failure, each with a label.
//
// The farm is a pure function of its Options. Every random number comes from a
// PCG stream whose seed is a hash of (run seed, turbine, signal, instant), so
// one more turbine changes nobody else's data. The model is frozen: detectors
// are tuned on it, so it may not be tuned on them. README.md writes down what
// it assumes; a golden file holds it to that.
package simulate
