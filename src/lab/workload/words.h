#pragma once

#include <array>
#include <string_view>

namespace crucible::lab {

/// English words by falling frequency: what payload text is made of. Their order is part of the
/// stream's identity: changing it changes every event.
inline constexpr std::array<std::string_view, 256> kWords = {
    "the",          "of",          "and",         "to",         "a",          "in",
    "for",          "is",          "on",          "that",       "by",         "this",
    "with",         "it",          "from",        "are",        "was",        "be",
    "as",           "at",          "or",          "an",         "will",       "not",
    "have",         "has",         "new",         "more",       "all",        "service",
    "when",         "which",       "their",       "can",        "data",       "event",
    "after",        "system",      "file",        "been",       "error",      "report",
    "one",          "time",        "user",        "server",     "request",    "order",
    "no",           "they",        "only",        "state",      "value",      "before",
    "client",       "other",       "between",     "first",      "message",    "out",
    "during",       "number",      "into",        "up",         "each",       "update",
    "failed",       "second",      "record",      "over",       "change",     "group",
    "then",         "customer",    "account",     "two",        "process",    "under",
    "current",      "queue",       "response",    "must",       "while",      "than",
    "per",          "there",       "where",       "version",    "check",      "test",
    "using",        "network",     "status",      "local",      "window",     "result",
    "since",        "load",        "list",        "key",        "store",      "read",
    "write",        "memory",      "page",        "point",      "limit",      "rate",
    "level",        "source",      "target",      "session",    "thread",     "open",
    "close",        "start",       "stop",        "run",        "table",      "row",
    "index",        "commit",      "payment",     "invoice",    "shipment",   "address",
    "product",      "price",       "region",      "cluster",    "node",       "replica",
    "backup",       "restore",     "latency",     "timeout",    "retry",      "batch",
    "cache",        "token",       "signature",   "header",     "body",       "field",
    "schema",       "metric",      "average",     "maximum",    "minimum",    "percent",
    "total",        "daily",       "weekly",      "monthly",    "review",     "approved",
    "rejected",     "pending",     "complete",    "partial",    "missing",    "duplicate",
    "late",         "early",       "normal",      "high",       "low",        "critical",
    "warehouse",    "delivery",    "contract",    "supplier",   "inventory",  "discount",
    "refund",       "balance",     "transfer",    "statement",  "currency",   "quantity",
    "reference",    "schedule",    "maintenance", "upgrade",    "migration",  "deployment",
    "release",      "rollback",    "incident",    "alert",      "threshold",  "operator",
    "engineer",     "manager",     "team",        "office",     "support",    "ticket",
    "priority",     "owner",       "comment",     "attachment", "document",   "summary",
    "section",      "draft",       "final",       "archive",    "folder",     "project",
    "plan",         "budget",      "forecast",    "quarter",    "pipeline",   "worker",
    "dispatcher",   "scheduler",   "broker",      "consumer",   "producer",   "topic",
    "partition",    "offset",      "snapshot",    "segment",    "checkpoint", "journal",
    "compaction",   "buffer",      "allocation",  "descriptor", "socket",     "handshake",
    "certificate",  "temperature", "pressure",    "sensor",     "reading",    "calibration",
    "throughput",   "utilization", "saturation",  "contention", "bottleneck", "regression",
    "baseline",     "candidate",   "measurement", "interval",   "confidence", "variance",
    "distribution", "percentile",  "histogram",   "sample"};

}  // namespace crucible::lab
