package ingest

import _ "embed"

var (
	//go:embed schema/telemetry.proto
	telemetryProto string
	//go:embed schema/telemetry.avsc
	telemetryAvro string
)

// TelemetryName is the full name of the message and of the record that the schemas are of.
const TelemetryName = "telltale.v1.Telemetry"

// TelemetryProto is the Protobuf schema of telemetry, as a registry gets it.
func TelemetryProto() string { return telemetryProto }

// TelemetryAvro is the Avro schema of telemetry, as a registry gets it.
func TelemetryAvro() string { return telemetryAvro }
