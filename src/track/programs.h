// SPDX-License-Identifier: Apache-2.0
// The programs of track.bpf.c, as bpftool wraps them: compiled with the rest, no file is needed where they run.
#pragma once
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <track.skel.h>
#pragma GCC diagnostic pop
