package onnx

import "syscall"

const (
	sysSeccomp = 317
	auditArch  = 0xc000003e // AUDIT_ARCH_X86_64
)

var deniedHere = []uint32{
	syscall.SYS_OPEN, syscall.SYS_CREAT, syscall.SYS_FORK, syscall.SYS_VFORK, syscall.SYS_UNLINK, syscall.SYS_RENAME, syscall.SYS_LINK,
	syscall.SYS_SYMLINK, syscall.SYS_MKDIR, syscall.SYS_RMDIR, syscall.SYS_CHMOD, syscall.SYS_CHOWN,
	316, // renameat2
	322, // execveat
}
