// SPDX-License-Identifier: Apache-2.0
// Logs with SLUB traces for tests and fuzzing, as kernels of each architecture and release print them. In each one three objects
// are allocated, of which widget_open's stays.
#pragma once
#include <array>
#include <string>
#include <string_view>

namespace orphan::logs {

// 32-bit ARM, 2.6.3x, frame pointers; a serial console.
inline constexpr std::string_view kArmTrace =
    R"([  100.000100] TRACE kmalloc-4096 alloc 0xc7a50000 inuse=8 fp=0x  (null)
[  100.000200] Backtrace: 
[  100.000300] [<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)
[  100.000400]  r6:c7801e00 r5:c7a50000 r4:c04e5a00
[  100.000500] [<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8d60>] (alloc_debug_processing+0xb4/0x158)
[  100.000600] [<c00b8cac>] (alloc_debug_processing+0x0/0x158) from [<c00b9a10>] (__slab_alloc+0x3ac/0x3e4)
[  100.000700] [<c00b9664>] (__slab_alloc+0x0/0x3e4) from [<c00b9e38>] (__kmalloc+0x7c/0x104)
[  100.000800] [<c00b9dbc>] (__kmalloc+0x0/0x104) from [<bf000128>] (widget_open+0x28/0x90 [widget])
[  100.000900]  r8:c7801e00 r7:00000000 r6:c7a50000 r5:c7a50000 r4:c04e5a00
[  100.001000] [<bf000100>] (widget_open+0x0/0x90 [widget]) from [<c00c1a2c>] (chrdev_open+0x1e4/0x204)
[  100.001100] [<c00c1848>] (chrdev_open+0x0/0x204) from [<c000e3a0>] (ret_fast_syscall+0x0/0x30)
[  101.000100] TRACE kmalloc-4096 alloc 0xc7a51000 inuse=8 fp=0xc7a52000
[  101.000200] Backtrace: 
[  101.000300] [<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)
[  101.000500] [<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8d60>] (alloc_debug_processing+0xb4/0x158)
[  101.000600] [<c00b8cac>] (alloc_debug_processing+0x0/0x158) from [<c00b9a10>] (__slab_alloc+0x3ac/0x3e4)
[  101.000700] [<c00b9664>] (__slab_alloc+0x0/0x3e4) from [<c00b9e38>] (__kmalloc+0x7c/0x104)
[  101.000800] [<c00b9dbc>] (__kmalloc+0x0/0x104) from [<c0204128>] (gadget_queue+0x50/0xa0)
[  101.001000] [<c02040d8>] (gadget_queue+0x0/0xa0) from [<c000e3a0>] (ret_fast_syscall+0x0/0x30)
[  102.000100] TRACE kmalloc-4096 free 0xc7a51000 inuse=8 fp=0x  (null)
[  102.000150] Object 0xc7a51000:  6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b kkkkkkkkkkkkkkkk
[  102.000200] Backtrace: 
[  102.000300] [<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)
[  102.000500] [<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8f60>] (free_debug_processing+0x1d4/0x248)
[  102.000600] [<c00b8d8c>] (free_debug_processing+0x0/0x248) from [<c00b9b10>] (__slab_free+0x38/0x2a0)
[  102.000700] [<c00b9ad8>] (__slab_free+0x0/0x2a0) from [<c00ba138>] (kfree+0xc8/0xcc)
[  102.000800] [<c00ba070>] (kfree+0x0/0xcc) from [<c0204228>] (gadget_done+0x20/0x60)
[  103.000100] TRACE kmalloc-4096 alloc 0xc7a51000 inuse=8 fp=0xc7a52000
[  103.000200] Backtrace: 
[  103.000300] [<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)
[  103.000500] [<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8d60>] (alloc_debug_processing+0xb4/0x158)
[  103.000600] [<c00b8cac>] (alloc_debug_processing+0x0/0x158) from [<c00b9a10>] (__slab_alloc+0x3ac/0x3e4)
[  103.000700] [<c00b9664>] (__slab_alloc+0x0/0x3e4) from [<c00b9e38>] (__kmalloc+0x7c/0x104)
[  103.000800] [<c00b9dbc>] (__kmalloc+0x0/0x104) from [<c0204128>] (gadget_queue+0x50/0xa0)
[  104.000100] TRACE kmalloc-4096 free 0xc7a51000 inuse=8 fp=0x  (null)
[  104.000200] Backtrace: 
[  104.000500] [<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8f60>] (free_debug_processing+0x1d4/0x248)
[  104.000800] [<c00ba070>] (kfree+0x0/0xcc) from [<c0204228>] (gadget_done+0x20/0x60)
)";

// 32-bit ARM since 5.14, unwinder; /dev/kmsg with callers.
inline constexpr std::string_view kNewArmTrace =
    R"(6,900,100000100,-,caller=T77;TRACE kmalloc-4k alloc 0x41f25a3c inuse=3 fp=0x5e0d6a1f
4,901,100000200,-,caller=T77;CPU: 0 PID: 77 Comm: widget daemon Not tainted 6.1.0
4,902,100000300,-,caller=T77;Hardware name: Generic DT based system
4,903,100000400,-,caller=T77; unwind_backtrace from show_stack+0x10/0x14
4,904,100000500,-,caller=T77; show_stack from dump_stack_lvl+0x40/0x4c
4,905,100000600,-,caller=T77; dump_stack_lvl from alloc_debug_processing+0x104/0x1b0
4,906,100000700,-,caller=T77; alloc_debug_processing from ___slab_alloc+0x3a4/0x8b0
4,907,100000800,-,caller=T77; ___slab_alloc from __kmem_cache_alloc_node+0x130/0x190
4,908,100000900,-,caller=T77; __kmem_cache_alloc_node from kmalloc_trace+0x20/0x30
4,909,100001000,-,caller=T77; kmalloc_trace from widget_open+0x28/0x90 [widget]
4,910,100001100,-,caller=T77; widget_open [widget] from chrdev_open+0xb8/0x1f4
4,911,100001200,-,caller=T77; chrdev_open from ret_fast_syscall+0x0/0x54
4,912,100001300,-,caller=T77;Exception stack(0xc2041fa8 to 0xc2041ff0)
4,913,100001400,-,caller=T77;1fa0:                   00000000 00000000 00000000 00000000 00000000 00000000
6,914,101000100,-,caller=T78;TRACE kmalloc-4k alloc 0x5e0d6a1f inuse=3 fp=0x00000000
6,915,101000200,-,caller=T77;TRACE kmalloc-4k alloc 0x7aa00b12 inuse=3 fp=0x00000000
4,916,101000300,-,caller=T78;CPU: 0 PID: 78 Comm: gadget Not tainted 6.1.0
4,917,101000400,-,caller=T78; unwind_backtrace from show_stack+0x10/0x14
4,918,101000500,-,caller=T77; unwind_backtrace from show_stack+0x10/0x14
4,919,101000600,-,caller=T78; kmalloc_trace from gadget_queue+0x50/0xa0
4,920,101000700,-,caller=T77; kmalloc_trace from gadget_other+0x50/0xa0
6,921,102000100,-,caller=C0;TRACE kmalloc-4k free 0x5e0d6a1f inuse=3 fp=0x00000000
4,922,102000400,-,caller=C0; unwind_backtrace from show_stack+0x10/0x14
4,923,102000500,-,caller=C0; free_debug_processing from kfree+0x48/0x9c
6,924,103000100,-,caller=T78;TRACE kmalloc-4k free 0x7aa00b12 inuse=3 fp=0x00000000
)";

// x86-64, 6.1; dmesg. The unwinder's guesses are between the frames.
inline constexpr std::string_view kX86Trace =
    R"([   18.966730] TRACE kmalloc-4k alloc 0x00000000e0a73ec7 inuse=3 fp=0x000000005c0d2a46
[   18.966821] CPU: 1 PID: 116 Comm: insmod Tainted: G           OE      6.1.0-56-cloud-amd64  Debian 6.1.192-2
[   18.967158] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[   18.968965] Call Trace:
[   18.968966]  <TASK>
[   18.968967]  dump_stack_lvl+0x44/0x5c
[   18.968968]  alloc_debug_processing.cold+0x5b/0x7a
[   18.968969]  get_partial_node.part.0+0x256/0x400
[   18.968970]  ? _prb_read_valid+0x25a/0x2d0
[   18.968971]  ___slab_alloc+0x6f1/0x990
[   18.968972]  ? widget_open+0x28/0x90 [widget]
[   18.968973]  __kmem_cache_alloc_node+0x110/0x2a0
[   18.968974]  __kmalloc+0x49/0x150
[   18.968975]  widget_open+0x28/0x90 [widget 91fe27aa]
[   18.968976]  ? 0xffffffffc023f000
[   18.968977]  do_one_initcall+0x59/0x220
[   18.968978]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8
[   18.968979] RIP: 0033:0x47fbe9
[   18.968980] Code: 08 89 e8 5b 5d c3 66 2e 0f 1f 84 00 00 00 00 00 90 48 89 f8 48 89 f7 48 89 d6 48 89 ca
[   18.968981] RSP: 002b:00007fff96ccaf78 EFLAGS: 00000246 ORIG_RAX: 0000000000000139
[   18.968982]  </TASK>
[   19.000309] TRACE kmalloc-4k alloc 0x000000005c0d2a46 inuse=4 fp=0x0000000000000000
[   19.000336] CPU: 1 PID: 116 Comm: insmod Tainted: G           OE      6.1.0-56-cloud-amd64  Debian 6.1.192-2
[   19.001024] Call Trace:
[   19.001116]  <IRQ>
[   19.001117]  dump_stack_lvl+0x44/0x5c
[   19.001118]  alloc_debug_processing.cold+0x5b/0x7a
[   19.001119]  __kmalloc+0x49/0x150
[   19.001120]  gadget_queue+0x50/0xa0
[   19.001121]  </IRQ>
[   19.001122]  <TASK>
[   19.001123]  asm_sysvec_apic_timer_interrupt+0x16/0x20
[   19.001124]  </TASK>
[   20.000309] TRACE kmalloc-4k free 0x000000005c0d2a46 inuse=4 fp=0x0000000000000000
[   20.000310] Object 000000005c0d2a46: 65 62 75 67 00 53 55 42 53 59 53 54 45 4d 3d 6d  ebug.SUBSYSTEM=m
[   20.000336] CPU: 0 PID: 9 Comm: kworker/0:1 Tainted: G           OE      6.1.0-56-cloud-amd64  Debian 6.1.192-2
[   20.001024] Call Trace:
[   20.001117]  dump_stack_lvl+0x44/0x5c
[   20.001118]  free_debug_processing+0x1a0/0x2f0
[   20.001119]  __slab_free+0x2f/0x360
[   20.001120]  gadget_done+0x20/0x60
[   20.001124]  </TASK>
[   21.000309] TRACE kmalloc-4k alloc 0x000000005c0d2a46 inuse=4 fp=0x0000000000000000
[   21.000336] CPU: 1 PID: 116 Comm: insmod Tainted: G           OE      6.1.0-56-cloud-amd64  Debian 6.1.192-2
[   21.001024] Call Trace:
[   21.001119]  __kmalloc+0x49/0x150
[   21.001120]  gadget_queue+0x50/0xa0
[   22.000309] TRACE kmalloc-4k free 0x000000005c0d2a46 inuse=4 fp=0x0000000000000000
)";

// arm64, 6.13; a syslog.
inline constexpr std::string_view kArm64Trace =
    R"(Nov 27 06:49:44 board kernel: [   50.000100] TRACE kmalloc-rnd-05-4k alloc 0x00000000e0a73ec7 inuse=3 fp=0x000000005c0d2a46
Nov 27 06:49:44 board kernel: [   50.000200] CPU: 2 UID: 0 PID: 311 Comm: widgetd Not tainted 6.13.0
Nov 27 06:49:44 board kernel: [   50.000300] Hardware name: linux,dummy-virt (DT)
Nov 27 06:49:44 board kernel: [   50.000400] Call trace:
Nov 27 06:49:44 board kernel: [   50.000500]  show_stack+0x18/0x24 (C)
Nov 27 06:49:44 board kernel: [   50.000600]  dump_stack_lvl+0x60/0x80
Nov 27 06:49:44 board kernel: [   50.000700]  dump_stack+0x18/0x24
Nov 27 06:49:44 board kernel: [   50.000800]  alloc_debug_processing+0x188/0x1c0
Nov 27 06:49:44 board kernel: [   50.000900]  ___slab_alloc+0x5e8/0xa88
Nov 27 06:49:44 board kernel: [   50.001000]  __kmalloc_cache_noprof+0x2ec/0x3a8
Nov 27 06:49:44 board kernel: [   50.001100]  widget_open+0x28/0x90 [widget]
Nov 27 06:49:44 board dhclient[77]: DHCPREQUEST for 192.0.2.7 on eth0
Nov 27 06:49:44 board kernel: [   50.001200]  el0t_64_sync+0x1ac/0x1b0 (P)
Nov 27 06:49:45 board kernel: [   51.000100] TRACE kmalloc-rnd-05-4k alloc 0x000000005c0d2a46 inuse=3 fp=0x0000000000000000
Nov 27 06:49:45 board kernel: [   51.000200] CPU: 2 UID: 0 PID: 311 Comm: widgetd Not tainted 6.13.0
Nov 27 06:49:45 board kernel: [   51.000400] Call trace:
Nov 27 06:49:45 board kernel: [   51.001000]  __kmalloc_cache_noprof+0x2ec/0x3a8
Nov 27 06:49:45 board kernel: [   51.001100]  gadget_queue+0x50/0xa0
Nov 27 06:49:46 board kernel: [   52.000100] TRACE kmalloc-rnd-05-4k free 0x000000005c0d2a46 inuse=3 fp=0x0000000000000000
Nov 27 06:49:46 board kernel: [   52.000200] Object 000000005c0d2a46: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
Nov 27 06:49:47 board kernel: [   53.000100] TRACE kmalloc-rnd-05-4k alloc 0x000000005c0d2a46 inuse=3 fp=0x0000000000000000
Nov 27 06:49:47 board kernel: [   53.000400] Call trace:
Nov 27 06:49:47 board kernel: [   53.001000]  __kmalloc_cache_noprof+0x2ec/0x3a8
Nov 27 06:49:47 board kernel: [   53.001100]  gadget_queue+0x50/0xa0
Nov 27 06:49:48 board kernel: [   54.000100] TRACE kmalloc-rnd-05-4k free 0x000000005c0d2a46 inuse=3 fp=0x0000000000000000
)";

struct SlubSample {
  std::string_view name, log;
  std::string_view first_frame;  // of the stack of what stays, the allocator's own function
};
inline constexpr auto kSlubSamples = std::to_array<SlubSample>({
    {"32-bit ARM, frame pointers", kArmTrace, "__kmalloc+0x7c/0x104"},
    {"32-bit ARM, unwinder", kNewArmTrace, "kmalloc_trace+0x20/0x30"},
    {"x86-64", kX86Trace, "__kmalloc+0x49/0x150"},
    {"arm64", kArm64Trace, "__kmalloc_cache_noprof+0x2ec/0x3a8"},
});

}  // namespace orphan::logs
