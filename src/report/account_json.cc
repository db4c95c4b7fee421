// SPDX-License-Identifier: Apache-2.0
// The account as JSON, "schema": 1; docs/json.md describes every field.
#include <nlohmann/json.hpp>

#include "report/account.h"
#include "report/format.h"
#include "report/json_parts.h"

namespace orphan {
namespace {

constexpr int kSchema = 1;

Json kernel_json(const AccountRow& row, u64 page_bytes) {
  if (!row.kernel) return nullptr;
  Json json = Json::object();
  json["source"] = row.kernel->source;
  json["before"] = row.kernel->before_bytes;
  json["after"] = row.kernel->bytes;
  json["compared_pages"] = row.compared_pages;
  json["difference"] = difference_bytes(row, page_bytes);
  json["why"] = row.why.empty() ? Json() : Json(row.why);
  return json;
}

Json row_json(const AccountRow& row, u64 page_bytes) {
  Json json = Json::object();
  json["id"] = row.id;
  json["section"] = to_string(row.section);
  json["name"] = row.name;
  json["pages"] = row.pages;
  json["kernel"] = kernel_json(row, page_bytes);
  return json;
}

Json cache_json(const AccountCache& cache) {
  Json json = Json::object();
  json["cache"] = cache.name;
  json["pages"] = cache.pages;
  json["slabs"] = cache.slabs;
  json["objects"] = cache.objects;
  json["live"] = cache.live;
  json["held_free"] = cache.held_free;
  json["live_bytes"] = cache.live_bytes;
  json["free_bytes"] = cache.free_bytes;
  json["waste_bytes"] = cache.waste_bytes;
  json["slabinfo"] = nullptr;
  if (cache.kernel)
    json["slabinfo"] = {{"active", cache.kernel->active}, {"objects", cache.kernel->objects}, {"pages", cache.kernel->pages}};
  return json;
}

Json caller_json(const AccountCaller& caller) {
  Json json = Json::object();
  json["caller"] = to_string(caller.caller);
  json["vmap"] = caller.is_vmap;
  json["areas"] = caller.areas;
  json["pages"] = caller.pages;
  json["vmallocinfo_pages"] = caller.kernel_pages ? Json(*caller.kernel_pages) : Json();
  return json;
}

Json owner_json(const AccountOwner& owner) {
  Json json = Json::object();
  json["id"] = owner.id;
  json["pages"] = owner.pages;
  json["block_pages"] = owner.block_pages;
  json["looked_into"] = owner.looked_into;
  json["referrer"] = owner.referrer.empty() ? Json() : Json(owner.referrer);
  json["looks_like"] = owner.looks_like;
  json["evidence"] = Json::array();
  for (const Evidence& evidence : owner.evidence) {
    Json row = Json::object();
    row["kind"] = evidence.kind == Evidence::Kind::Symbol ? "symbol" : "string";
    row["offset"] = evidence.offset_bytes;
    row["text"] = evidence.text;
    row["count"] = evidence.count;
    json["evidence"].push_back(std::move(row));
  }
  json["examples"] = Json::array();
  for (Addr address : owner.examples) json["examples"].push_back(to_string(address));
  return json;
}

template <typename Rows, typename F>
Json array_of(const Rows& rows, F&& each) {
  Json json = Json::array();
  for (const auto& row : rows) json.push_back(each(row));
  return json;
}

}  // namespace

std::string to_json(const Account& account) {
  Json json = Json::object();
  json["schema"] = kSchema;
  json["orphan"] = account.version;
  json["target"] = account.target;
  json["started"] = account.started_unix_s;
  json["seconds"] = account.seconds;
  json["page_bytes"] = account.page_bytes;
  json["ram_pages"] = account.ram_pages;
  json["total_pages"] = account.total_pages;
  json["has_total"] = account.has_total;
  json["accounted_pages"] = accounted_pages(account);
  json["missing_pages"] = account.missing_pages;
  json["rows"] = array_of(account.rows, [&](const AccountRow& row) { return row_json(row, account.page_bytes); });
  json["caches"] = array_of(account.caches, cache_json);
  json["callers"] = array_of(account.callers, caller_json);
  json["owners"] = array_of(account.owners, owner_json);
  json["owner_blocks"] = account.owner_blocks;
  json["looked_into_blocks"] = account.looked_into_blocks;
  json["searched_bytes"] = account.searched_bytes;
  json["not_searched_bytes"] = account.not_searched_bytes;
  json["coverage"] = coverage_json(account.coverage);
  json["bytes_read"] = account.bytes_read;
  return text_of(json);
}

}  // namespace orphan
