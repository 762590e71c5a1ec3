package onnx

const (
	sysSeccomp = 277
	auditArch  = 0xc00000b7 // AUDIT_ARCH_AARCH64
)

var deniedHere = []uint32{
	276, // renameat2
	281, // execveat
}
