// SPDX-License-Identifier: Apache-2.0
// Writes what fuzzing starts from: good inputs, made by the writers that the unit tests use. `fuzz_seeds DIRECTORY` makes a
// folder for each target in it.
#include <fmt/format.h>
#include <zstd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "input.h"
#include "kallsyms_input.h"
#include "kernel/fake_kallsyms.h"
#include "kernel/fake_kernel.h"
#include "kernel/recorded_source.h"
#include "logs/slub_samples.h"
#include "logs/test_reading.h"
#include "memory/fake_core.h"
#include "report/json.h"
#include "report/sample_report.h"
#include "track/saved_records.h"
#include "watch/coding.h"

namespace orphan {
namespace {

class Folder {
 public:
  explicit Folder(const std::filesystem::path& path) : path_(path) { std::filesystem::create_directories(path); }
  void add(std::string_view bytes) { std::ofstream(next(), std::ios::binary) << bytes; }
  std::string next() { return path_ / std::to_string(++count_); }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

template <typename T>
std::string raw(const T& value) {
  return std::string(fuzz::text_of(std::as_bytes(std::span(&value, 1))));
}

std::string contents(const Memory& memory, Addr at, u64 size) {
  std::string bytes(size, '\0');
  auto read = memory.read(at, std::as_writable_bytes(std::span(bytes)));
  VERIFY(bool(read));
  return bytes;
}

std::string piece(const std::string& bytes) {
  return raw(static_cast<u16>(bytes.size())) + bytes;
}

void write_btf(Folder folder) {
  for (const kernel::FakeVersion& version : kernel::kVersions) kernel::FakeTypes::of(version).write(folder.next());
  kernel::FakeTypes("struct page 64\n  u64 flags 0\n  u64[4] list 8\ntypedef a page\nenum pageflags\n  PG_head 16\n")
      .write(folder.next());
}

void write_commands(Folder folder) {
  for (std::string_view text :
       {"clear", "off\n", "on", "stack=on", "stack=off", "scan=on", "scan=off", "scan=600\n", "scan", "status",
        "dump=0xffff888104c2d000", "age=+5", "why=01777\n", "forget", "scan=99999999999", "dump=0x"})
    folder.add(text);
}

// Numbers that lead to each kind of step.
void write_detector_steps(Folder folder) {
  std::mt19937 random(1);
  for (std::size_t size : {100U, 1000U, 10000U}) {
    for (u8 attribute_bytes : {u8{64}, u8{255}}) {
      std::string bytes = raw(attribute_bytes);
      while (bytes.size() < size) bytes += raw(static_cast<u16>(random()));
      folder.add(bytes);
    }
  }
}

void write_kallsyms(Folder folder) {
  using kernel::fake_kallsyms::Tables, kernel::fake_kallsyms::ordinary_lines;
  namespace made = kernel::fake_kallsyms;
  for (auto [theirs, ours] :
       {std::pair{made::Scheme::Absolute, fuzz::Scheme::Absolute}, std::pair{made::Scheme::BaseRelative, fuzz::Scheme::Relative},
        std::pair{made::Scheme::AbsolutePercpu, fuzz::Scheme::Relative},
        std::pair{made::Scheme::PlaceRelative, fuzz::Scheme::Place}}) {
    Tables tables(ordinary_lines(), theirs);
    auto count = static_cast<u64>(ordinary_lines().size());
    std::string offsets = contents(tables.memory, made::kOffsets, count * (theirs == made::Scheme::Absolute ? 8 : 4));
    if (theirs == made::Scheme::PlaceRelative) {  // the place is another one here
      for (u64 i = 0; i < count; ++i) {
        auto place = static_cast<u32>(ordinary_lines()[i].address - (fuzz::kOffsets + i * 4).value);
        std::memcpy(offsets.data() + i * 4, &place, sizeof place);
      }
    }
    folder.add(raw(ours) + raw(count) + raw(made::kText) + contents(tables.memory, made::kTokenIndex, fuzz::kTokenIndexBytes) +
               piece(contents(tables.memory, made::kTokenTable, 600)) + piece(offsets) +
               contents(tables.memory, tables.names, 200));
  }
  std::string text;
  for (const auto& line : ordinary_lines()) text += fmt::format("{:016x} {} {}\n", line.address, line.type, line.name);
  folder.add(raw(fuzz::Scheme::Text) + text + "ffffffffc0000000 t function\t[module]\n");
}

// With every block as it is before it is packed: what is packed, no mutation changes with sense.
std::string unpacked(std::string_view file) {
  using namespace recording;
  Bytes bytes = std::as_bytes(std::span(file));
  std::string out(file.substr(0, sizeof(Head)));
  for (u64 at = sizeof(Head); auto head = load<BlockHead>(bytes, at); at += sizeof *head + head->stored_bytes) {
    std::string plain(head->plain_bytes, '\0');
    std::string_view stored = file.substr(at + sizeof *head, head->stored_bytes);
    if (stored.size() == plain.size())
      plain = stored;
    else
      VERIFY(ZSTD_decompress(plain.data(), plain.size(), stored.data(), stored.size()) == plain.size());
    BlockHead changed = *head;
    changed.stored_bytes = head->plain_bytes;
    changed.crc = checksum(changed, out.size(), std::as_bytes(std::span(plain)));
    out += raw(changed) + plain;
  }
  return out;
}

void write_recordings(Folder folder) {
  std::string path = folder.next();
  FakeMemory memory;
  Addr base{0xffff'8880'0000'0000};
  memory.map({base, 3 * 4096 + 500});
  auto writer = RecordingWriter::create(path).take();
  RecordingMemory recorder(memory, *writer);
  writer->begin_epoch("start");
  std::array<std::byte, 5000> out;
  writer->add_text(kernel::text::kSegments, std::string("ffff888000000000 0 3000\nffffffff81000000 1000000 2000\n"));
  writer->add_text(kernel::text::kSelf, std::string("7ffc12345678 3"));
  writer->add_text("/sys/kernel/slab/", std::string(":0000064\nfiles\t:0000064\n"));
  for (const char* epoch : {"pass 1", "pass 2"}) {
    writer->begin_epoch(epoch);
    for (u64 page = 0; page < 4; ++page) {
      memory.put(base + page * 4096 + 48, page);
      (void)recorder.read(base + page * 4096 + 40, std::span(out).first(8));
    }
    (void)recorder.read(base, out);
    writer->add_text("/proc/slabinfo", Error(ErrorCode::Permission, "no"));
  }
  writer->finish().take();
  std::string whole = read_file(path).take();
  folder.add(unpacked(whole));
}

void write_page_maps(Folder folder) {
  u8 number = 0;
  for (const kernel::FakeVersion& version : kernel::kVersions) {
    kernel::FakeKernel target(version);
    (void)target.kmalloc(64);
    (void)target.add_large_kmalloc(2);
    (void)target.add_free_block(3);
    (void)target.add_user_page();
    u64 bytes = target.types().size("page");
    for (u64 frame : {0U, 500U}) folder.add(raw(number) + contents(target.memory(), target.descriptor(frame), 100 * bytes));
    ++number;
  }
}

void write_saved_records(Folder folder) {
  std::vector<orphan_bucket> buckets(4);
  std::vector<orphan_stack> stacks(4);
  orphan_record& record = buckets[1].places[2];
  record.key = ~0xffff'8880'0123'4000;
  record.site = 1;
  record.stack = 3;
  record.size = 64;
  record.kind = ORPHAN_KMALLOC;
  stacks[2].hash = 7;
  stacks[2].count = 2;
  stacks[2].frames[0] = 0xffff'ffff'c000'0044;
  stacks[2].frames[1] = 0xffff'ffff'8100'0000;
  std::vector<std::byte> symtab(24), strtab(8);
  kernel::Symbols::ModuleTable module{"leaky", {{Addr{0xffff'ffff'c000'0000}, 4096}}, symtab, strtab};
  std::string path = std::filesystem::temp_directory_path() / ("seed." + std::to_string(::getpid()));
  track::RecordTable table(buckets, stacks);
  track::SavedRecords::write(path, {.boot_id = "0-1", .release = "6.1.0", .ended_unix_s = 1, .events = 2, .replaced = 0}, table,
                             std::span(&module, 1), {{"leaky", "abcd"}})
      .take();
  std::string whole = read_file(path).take();
  std::filesystem::remove(path);
  std::string_view stored = std::string_view(whole).substr(track::kNotesMagic.size());
  std::string plain(ZSTD_getFrameContentSize(stored.data(), stored.size()), '\0');
  VERIFY(ZSTD_decompress(plain.data(), plain.size(), stored.data(), stored.size()) == plain.size());
  folder.add(plain);
}

constexpr std::string_view kInfo =
    "OSRELEASE=6.1.0-56-cloud-amd64\nBUILD-ID=0123456789abcdef\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n"
    "OFFSET(page.flags)=0\nSIZE(page)=64\nLENGTH(zone.free_area)=11\nNUMBER(pgtable_l5_enabled)=1\n"
    "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\nNUMBER(sme_mask)=0x800000000000\nKERNELOFFSET=1a000000\n";

void write_watch_logs(Folder folder) {
  folder.add(
      "==== Thu Jan  1 00:05:00 UTC 1970 ====\nMemTotal: 255744 kB\nLowFree: 1024 kB\nHugePages_Total: 0\n"
      "slabinfo - version: 2.1\nsize-4096 5 6 4096 1 1 : tunables 24 12 0 : slabdata 6 6 0\n"
      "  PID  Uid     VmSize Stat Command\n   77 root       1m S   /usr/bin/leaker -x\n");
  folder.add(
      "2026-11-27T06:49:25.123+01:00\nslabinfo - version: 1.1 (SMP)\nkmem_cache 80 80 244 5 6 1 : 252 126\n"
      "0xffffc90000000000-0xffffc90000005000   20480 f+0x1cd/0x270 [leaky] pages=4 vmalloc N0=4\n");
  folder.add(
      "Fri 27 Nov 2026 06:49:25 AM CET\r\nNode 0, zone   Normal      7     6      0\r\n12345.67 54321.00\r\n"
      "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\r\nroot 1 0.0 0.1 16000 5432 ? Ss Nov26 0:01 /sbin/init\r\n"
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=123\r\n4096 1 mm/slub.c:12 func:f\r\n1795762165\r\n");
}

void write_suppressions(Folder folder) {
  folder.add(
      "[[suppress]]\nname = \"x keeps its table\"\ncomment = \"for ever\"\ncache = \"kmalloc-*\"\nsymbol = \"x_?ps*\"\nlimit = "
      "4\n"
      "expires = 2027-06-30\n\n[[suppress]]\nname = 'by stack'\nframe = 'x_[a-p]*'\nsize = 64\nkind = \"slab\"\n");
  folder.add("suppress = [ { name = \"one\", string = \"leaky*\" }, { name = \"two\", kind = \"vmalloc\", size = 0x40 } ]\n");
  folder.add("# no condition\n[[suppress]]\nname = \"all\"\n");
  folder.add("[suppress]\nname = \"one bracket\"\n");
}

void write_watch_samples(Folder folder) {
  const watch::Row rows[] = {{{1, 100}, {2, -5}, {9, 1 << 30}}, {{1, 101}, {3, 7}, {9, 1 << 30}}};
  auto text = [](const std::vector<std::byte>& bytes) { return std::string(fuzz::text_of(bytes)); };
  const watch::Stamp stamps[] = {{1'700'000'000'000, 5000, 4000}, {1'700'000'300'000, 305'000, 4000}};
  watch::ByteWriter columns;
  for (u32 id : {1U, 4U}) {
    watch::ColumnEncoder column;
    for (u32 at : {0U, 1U, 2U, 7U, 8U}) column.put(at, at < 3 ? id : at * 1000);
    column.finish(id, id == 4 ? 1 : 0, columns);
  }
  folder.add(piece(text(watch::encode_frame({}, rows[0]))) + piece(text(watch::encode_frame(rows[0], rows[1]))) +
             piece(text(watch::encode_stamps(stamps))) + raw(u16{9}) + text(columns.bytes()));
}

void write_cores(Folder folder) {
  CoreFile core;
  core.add_note("CORE", 1, "registers");
  core.add_note("VMCOREINFO", 0, kInfo);
  core.add_segment(Addr{0xffff'8880'0000'0000}, 0, std::string(600, 'a'));
  core.add_segment(Addr{0xffff'8880'0000'0258}, 600, std::string(300, 'b'));
  core.add_segment(Addr{~u64{0xff}}, kPhysicalUnknown, std::string(256, 'c'));
  folder.add(core.bytes());
}

void write_reports(Folder folder) {
  using namespace logs::test;
  for (std::string_view text : {k2_6_31, k3_4, kVendor3_10, k5_10, k6_1, k6_8, k2026, kPageOwner}) folder.add(text);
  folder.add(framed(k2026, "<4>[   12.345678][  T812] kmemleak: ") +
             "[ 13.5] kmemleak:   ... and 7 more object(s) with the same backtrace\n");
  folder.add(framed(k6_8, "> Nov 27 06:49:44 box kernel: [   12.345678] kmemleak: ", "\r"));
  folder.add("12 times, 48 pages:\n" + std::string(kPageOwner) + " f+0x1/0x2\n stack_count: 12\n");
  folder.add(
      "[ 1.5] kmemleak: Object 0x1000 (size 32):\n[ 1.5] kmemleak:   min_count = 1\n[ 1.5] kmemleak: 3 new suspected memory "
      "leaks\n");
  folder.add("widget_probe (widget.c:12) widget\n[&lt;c04e1234&gt;]\n[widget]\n");
  folder.add(to_json(test::sample_report()));
  folder.add(to_json(test::sample_outstanding()));
}

void write_journals(Folder folder) {
  // A byte for the format, one for the size of pieces.
  std::string entry =
      "__REALTIME_TIMESTAMP=1795762184123456\n_BOOT_ID=a\n_HOSTNAME=board\nSYSLOG_IDENTIFIER=kernel\n_SOURCE_MONOTONIC_TIMESTAMP="
      "1\n";
  folder.add(std::string("\0\7", 2) + "__CURSOR=s=1\n" + entry + "MESSAGE=hello\n\n" + entry + "MESSAGE\n" +
             std::string("\3\0\0\0\0\0\0\0a\nb\n\n", 14));
  folder.add(R"j({"__CURSOR":"1","_HOSTNAME":"board","SYSLOG_IDENTIFIER":"kernel","MESSAGE":[104,105],"_BOOT_ID":"b"})j");
  folder.add("\1\40{\"MESSAGE\":\"hello\",\"__REALTIME_TIMESTAMP\":\"1795762184123456\"}\n{}\n");
}

void write_slub_traces(Folder folder) {
  for (const logs::SlubSample& sample : logs::kSlubSamples) folder.add(sample.log);
  folder.add("[ 1.5] TRACE kmalloc-64 alloc 0x(____ptrval____) inuse=1 fp=0x1\n-- Reboot --\n");
  folder.add("** 5 printk messages dropped ** [ 1.5] Function entered at [<c0012378>] from [<c0366d34>]\n");
  folder.add("     12 f+0x26/0x90 waste=120/10 age=125/3500/9000 pid=1-116 cpus=0-1\n\tg+0x21/0x8b [leaky]\n");
  folder.add("slabinfo - version: 2.1\ndentry 12345 13000 192 21 1 : tunables\n");
}

}  // namespace
}  // namespace orphan

int main(int argc, char** argv) {
  using namespace orphan;
  if (argc != 2) {
    std::fputs("usage: fuzz_seeds DIRECTORY\n", stderr);
    return 2;
  }
  std::filesystem::path root(argv[1]);
  write_btf(Folder(root / "btf"));
  write_commands(Folder(root / "command"));
  write_detector_steps(Folder(root / "detector"));
  write_journals(Folder(root / "journal"));
  write_kallsyms(Folder(root / "kallsyms"));
  write_recordings(Folder(root / "recording"));
  write_reports(Folder(root / "report"));
  write_saved_records(Folder(root / "saved_records"));
  write_slub_traces(Folder(root / "slub_trace"));
  write_page_maps(Folder(root / "page_map"));
  write_suppressions(Folder(root / "suppressions"));
  Folder(root / "vmcoreinfo").add(kInfo);
  write_cores(Folder(root / "elf_core"));
  write_watch_logs(Folder(root / "watch_log"));
  write_watch_samples(Folder(root / "watch_samples"));
}
