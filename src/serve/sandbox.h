// SPDX-License-Identifier: Apache-2.0
// What the daemon gives up once everything is open: capabilities, new privileges, and all system calls but those that it needs to
// go on. What reads the kernel's memory as root, and is talked to by others, should be able to do little else when one of its
// parsers turns out to have a hole.
#pragma once
#include "base/result.h"

namespace orphan::serve {

struct SandboxOptions {
  // Its programs are loaded and attached: their counters and their clock are asked for. Keeps CAP_BPF, without which most kernels
  // answer nobody (kernel.unprivileged_bpf_disabled).
  bool asks_bpf = false;
  // /proc/kcore is opened again. Keeps CAP_SYS_RAWIO, with which a descriptor of /dev/mem can be had, too; so it is better to
  // keep the one of /proc/kcore.
  bool opens_kcore = false;
};

// For the whole process, all threads that are running included (each takes one real-time signal for it, so that a call that
// blocks may end with EINTR), and for ever. Before it: open /proc/kcore, load and attach the programs, mount, bind. Afterwards:
// - uid stays 0, which owns /proc/slabinfo, the debug information and the daemon's state; of capabilities only CAP_SYSLOG is
// left, for
//   addresses in /proc/kallsyms, /proc/modules and /proc/vmallocinfo, and what the options keep;
// - files are read and written; sockets that listen are accepted from, none is bound or connected; threads start, programs do
// not; what is
//   not on the list fails with EPERM. Nothing is killed for it: a library that tries something unforeseen is told that it cannot.
// Where CAP_SETPCAP is missing, as without root, the bounding set stays; new privileges are not to be had all the same.
// Unsupported: the kernel was built without seccomp; Io: a thread does not take the signal, and nothing is closed in then.
Result<void> enter_sandbox(const SandboxOptions& options);

}  // namespace orphan::serve
