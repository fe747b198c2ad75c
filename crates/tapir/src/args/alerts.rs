//! `tapir alerts` as typed.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `tapir alerts`
#[derive(Args, Debug)]
#[command(after_help = "Without a subcommand: list.\n\n\
    The token of a person stands in the file of --token-file, or in TAPIR_TOKEN, or in the file that TAPIR_TOKEN_FILE names; \
    never on the command line.\n\n\
    Exit codes: 0 done; 1 something failed; 2 wrong usage: also a query that cannot be understood, and a question that \
    nobody is there to answer.")]
pub struct AlertsArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub common: CommonArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub list: ListArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
}

/// Where a manager is if nobody says.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:9443";

/// Which manager, and how answers are shown.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// The manager.
    #[arg(long, value_name = "URL", env = "TAPIR_SERVER", default_value = DEFAULT_SERVER, global = true)]
    pub server: String,
    /// File with the token. Otherwise TAPIR_TOKEN is the token, or TAPIR_TOKEN_FILE its file.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// Authorities to trust instead of the system's (PEM).
    #[arg(long, value_name = "FILE", env = "TAPIR_CA_FILE", global = true)]
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate: whoever is in between reads the token.
    #[arg(long, global = true, conflicts_with = "ca_file")]
    pub insecure_skip_tls_verify: bool,
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table, global = true)]
    pub output: Form,
    /// Tables without headings.
    #[arg(long, global = true)]
    pub no_headers: bool,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A table for people.
    Table,
    /// The same with more columns.
    Wide,
    /// What the manager answers.
    Json,
    /// The same.
    Yaml,
    /// Names only, for other commands: group/ID.
    Name,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// List alerts in groups of rule, client and server.
    #[command(visible_aliases = ["ls", "get"])]
    List(ListArgs),
    /// Show a group or an event in full: why the rule fired, the matched bytes, the conversation.
    #[command(visible_alias = "describe")]
    Show(ShowArgs),
    /// Print alerts as they come, until interrupted.
    Follow(FollowArgs),
    /// Done with them: later alerts with the same payload shapes stay covered.
    Dismiss(DismissArgs),
    /// Seen.
    #[command(visible_alias = "acknowledge")]
    Ack(TargetArgs),
    /// Hand on.
    Escalate(TargetArgs),
    /// Open again.
    Reopen(TargetArgs),
    /// Say whose they are.
    Assign(AssignArgs),
    /// Add a remark (--message).
    Comment(TargetArgs),
    /// Show what quieting the rule of a group would have hidden; with --scope, do it.
    Quiet(QuietArgs),
    /// End a quieting.
    Unquiet(UnquietArgs),
    /// Take a decision back, within ten minutes.
    Undo(UndoArgs),
}

/// Which alerts.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterArgs {
    /// Query, such as `severity>=high trojan` (docs/query-language.md).
    #[arg(long, value_name = "QUERY")]
    pub query: Option<String>,
    /// Alerts with a workload of this namespace on either side.
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Of all namespaces, which is so anyway.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Since when: `24h` or `now-24h` ago (s, m, h, d, w), 2026-11-24T03:12:07Z, or 2026-11-24. Default: 24h.
    #[arg(long, value_name = "TIME", visible_alias = "since")]
    pub from: Option<String>,
    /// Until when. Default: now.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// States: open, acknowledged, escalated, dismissed, some of them with commas, or all. Default: open.
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
}

/// `tapir alerts list`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct ListArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub filter: FilterArgs,
    /// What comes first.
    #[arg(long, value_enum)]
    pub sort: Option<Sort>,
    /// Rows at most; 0: all.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Rows asked for at once, at most 500.
    #[arg(long, value_name = "N", visible_alias = "chunk", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub chunk_size: Option<u16>,
    /// Also what a quieting hides.
    #[arg(long)]
    pub suppressed: bool,
    /// Then follow changes.
    #[arg(long, short)]
    pub watch: bool,
}

/// Orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Newest last event first (default).
    #[value(name = "last_seen", alias = "last-seen")]
    LastSeen,
    /// Worst first.
    Severity,
    /// Most events first.
    Count,
    /// Newest first event first.
    #[value(name = "first_seen", alias = "first-seen")]
    FirstSeen,
}

/// `tapir alerts follow`
#[derive(Args, Clone, Debug)]
pub struct FollowArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub filter: FilterArgs,
    /// Also what a quieting hides.
    #[arg(long)]
    pub suppressed: bool,
    /// End after so many rows; 0: never.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// `tapir alerts show`
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Group (16 hexadecimal digits) or event (NODE-BOOT-SEQ).
    #[arg(value_name = "GROUP|EVENT")]
    pub id: String,
    /// Bytes of each buffer to print, around what matched.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(16..=8192))]
    pub bytes: u16,
}

/// Alerts by name or by query, and how to go about it.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["ids", "query", "namespace"]).multiple(true))]
pub struct TargetArgs {
    /// Groups, or events for their groups.
    #[arg(value_name = "GROUP|EVENT", conflicts_with_all = ["query", "namespace", "from", "to", "status"])]
    pub ids: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub filter: FilterArgs,
    /// A remark.
    #[arg(long, short, value_name = "TEXT", visible_alias = "comment")]
    pub message: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would be changed, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `tapir alerts dismiss`
#[derive(Args, Clone, Debug)]
pub struct DismissArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub target: TargetArgs,
    /// Why.
    #[arg(long, value_enum)]
    pub reason: ReasonArg,
    /// How long later alerts of the same payload shapes are covered: `30d`, or a time. Default: for ever.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// Reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReasonArg {
    /// The rule is wrong here.
    #[value(name = "false_positive", alias = "false-positive")]
    FalsePositive,
    /// It was meant to happen: a test, a scan of our own.
    Expected,
    /// Real, and lived with.
    Accepted,
    /// Dealt with elsewhere.
    Duplicate,
    /// As --message says.
    Other,
}

/// `tapir alerts assign`
#[derive(Args, Clone, Debug)]
pub struct AssignArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub target: TargetArgs,
    /// Whose they are; `@me`: the token's user.
    #[arg(long, value_name = "NAME", required_unless_present = "nobody")]
    pub assignee: Option<String>,
    /// Nobody's.
    #[arg(long, conflicts_with = "assignee")]
    pub nobody: bool,
}

/// `tapir alerts quiet`
#[derive(Args, Clone, Debug)]
pub struct QuietArgs {
    /// Group, or an event for its group.
    #[arg(value_name = "GROUP|EVENT")]
    pub id: String,
    /// Days to look back for what it would have hidden.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// Quiet this line of the table, by its number or name.
    #[arg(long, value_name = "N|NAME", requires_all = ["reason", "expires"])]
    pub scope: Option<String>,
    /// Why; others will ask.
    #[arg(long, value_name = "TEXT", requires = "scope")]
    pub reason: Option<String>,
    /// Until when: `30d`, a time, or `never`.
    #[arg(long, value_name = "TIME", requires = "scope")]
    pub expires: Option<String>,
    /// How.
    #[arg(long, value_enum, default_value_t = QuietMode::Hide)]
    pub mode: QuietMode,
    /// Of mode `limit`: alerts of a pair that still show, and in how many seconds: `1/3600`.
    #[arg(long, value_name = "COUNT/SECONDS", required_if_eq("mode", "limit"))]
    pub rate: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would be made, and make nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How alerts are made quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QuietMode {
    /// Hide them, keep counting.
    Hide,
    /// Show some of them.
    Limit,
    /// Do not evaluate the rule there.
    Stop,
}

/// `tapir alerts unquiet`
#[derive(Args, Clone, Debug)]
pub struct UnquietArgs {
    /// What `quiet` printed; also `suppressed_by` of an event.
    #[arg(value_name = "SUPPRESSION")]
    pub id: String,
    /// What it hid comes back.
    #[arg(long)]
    pub reveal: bool,
}

/// `tapir alerts undo`
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// What the decision printed.
    #[arg(value_name = "TOKEN")]
    pub token: String,
}
