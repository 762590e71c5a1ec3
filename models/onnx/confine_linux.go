//go:build amd64 || arm64

package onnx

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// separate makes the child die with the thread that starts it and, apart, gives
// it a network of its own without any interface.
func separate(cmd *exec.Cmd, apart bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if apart {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
}

// confine takes from this process what a probe does not need: memory and time
// beyond the limits, files, sockets, other programs. It says what could not be
// taken.
func confine(lim Limits) (notes []string, err error) {
	// RLIMIT_DATA counts what is writable and private, unlike RLIMIT_AS, in which
	// Go's reserved addresses count too. The limit comes on top of what is there.
	used, err := dataBytes()
	if err != nil {
		return nil, err
	}
	seconds := uint64(max(1, lim.CPU/time.Second))
	for _, r := range []struct {
		what       int
		soft, hard uint64
		name       string
	}{
		{syscall.RLIMIT_DATA, used + uint64(lim.Memory), used + uint64(lim.Memory), "RLIMIT_DATA"},
		{syscall.RLIMIT_CPU, seconds, seconds, "RLIMIT_CPU"},
		{syscall.RLIMIT_FSIZE, 0, 0, "RLIMIT_FSIZE"},
		{syscall.RLIMIT_CORE, 0, 0, "RLIMIT_CORE"},
		{syscall.RLIMIT_NOFILE, 16, 16, "RLIMIT_NOFILE"},
	} {
		if err := syscall.Setrlimit(r.what, &syscall.Rlimit{Cur: r.soft, Max: r.hard}); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	if err := denyCalls(); err != nil {
		notes = append(notes, "the probe of models runs without a filter of system calls: "+err.Error())
	}
	return notes, nil
}

// dataBytes is what counts against RLIMIT_DATA now.
func dataBytes() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmData:"))
	f := bytes.Fields(rest)
	if !ok || len(f) == 0 {
		return 0, fmt.Errorf("/proc/self/status names no VmData")
	}
	kib, err := strconv.ParseUint(string(f[0]), 10, 64)
	return kib << 10, err
}

// denied are the system calls by which a process reaches files, other programs
// and the network (seccomp(2)); those of one architecture only are beside them.
var denied = append([]uint32{
	syscall.SYS_SOCKET, syscall.SYS_SOCKETPAIR, syscall.SYS_CONNECT, syscall.SYS_BIND, syscall.SYS_LISTEN, syscall.SYS_ACCEPT4,
	syscall.SYS_EXECVE, syscall.SYS_PTRACE, syscall.SYS_KILL, syscall.SYS_OPENAT, syscall.SYS_MKDIRAT, syscall.SYS_UNLINKAT,
	syscall.SYS_RENAMEAT, syscall.SYS_LINKAT, syscall.SYS_SYMLINKAT, syscall.SYS_FCHMODAT, syscall.SYS_FCHOWNAT, syscall.SYS_TRUNCATE,
	syscall.SYS_MOUNT, syscall.SYS_UNSHARE,
	425, // io_uring_setup
	437, // openat2
	438, // pidfd_getfd
}, deniedHere...)

const (
	prSetNoNewPrivs  = 38
	seccompSetFilter = 1          // SECCOMP_SET_MODE_FILTER
	seccompAllTasks  = 1          // SECCOMP_FILTER_FLAG_TSYNC
	retAllow         = 0x7fff0000 // SECCOMP_RET_ALLOW
	retErrno         = 0x00050000 // SECCOMP_RET_ERRNO
	x32              = 0x40000000 // amd64's second table of calls begins here
)

// denyCalls makes the denied system calls fail with EPERM in all threads.
func denyCalls() error {
	const (
		load  = syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS
		equal = syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K
		above = syscall.BPF_JMP | syscall.BPF_JGE | syscall.BPF_K
		ret   = syscall.BPF_RET | syscall.BPF_K
	)
	n := len(denied)
	prog := []syscall.SockFilter{
		{Code: load, K: 4}, // struct seccomp_data: arch
		{Code: equal, K: auditArch, Jf: uint8(n + 3)},
		{Code: load, K: 0}, // nr
		{Code: above, K: x32, Jt: uint8(n + 1)},
	}
	for i, nr := range denied {
		prog = append(prog, syscall.SockFilter{Code: equal, K: nr, Jt: uint8(n - i)})
	}
	prog = append(prog,
		syscall.SockFilter{Code: ret, K: retAllow},
		syscall.SockFilter{Code: ret, K: retErrno | uint32(syscall.EPERM)},
	)
	filter := syscall.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	runtime.LockOSThread() // both calls are of one thread; the filter then comes to all
	defer runtime.UnlockOSThread()
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("no_new_privs: %w", e)
	}
	if _, _, e := syscall.RawSyscall(sysSeccomp, seccompSetFilter, seccompAllTasks, uintptr(unsafe.Pointer(&filter))); e != 0 { //nolint:gosec // the kernel reads it during the call
		return fmt.Errorf("seccomp: %w", e)
	}
	return nil
}
