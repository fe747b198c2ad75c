//! Tables as kubectl prints them: upper-case headings, columns aligned with three blanks, the longest text last.
//!
//! *Why not a library*: rows stream in page by page, so that a width is known of what was printed only; libraries want the whole
//! table. What they are good at, borders and wrapping, is not wanted here.

use super::model::Group;
use super::readable::readable;
use tapir_event::parse_rfc3339;
use tapir_packet::Timestamp;

/// How a cell looks on a terminal with colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    Plain,
    /// Stands out.
    Bold,
    /// Of high severity.
    Red,
    /// Of medium severity.
    Yellow,
    /// Less important.
    Dim,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Red => "\x1b[31m",
            Self::Yellow => "\x1b[33m",
            Self::Dim => "\x1b[2m",
        }
    }

    /// Of a word of severity.
    pub fn of_level(level: &str) -> Self {
        match level {
            "critical" | "high" => Self::Red,
            "medium" => Self::Yellow,
            _ => Self::Plain,
        }
    }
}

/// Text in a look, if there are colours.
pub fn painted(text: &str, look: Look, colors: bool) -> String {
    if !colors || look == Look::Plain || text.is_empty() {
        return text.to_owned();
    }
    format!("{}{text}\x1b[0m", look.code())
}

/// One cell; its text is [`readable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    /// Of any text.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::looking(text, Look::Plain)
    }

    /// The same in a look.
    pub fn looking(text: impl AsRef<str>, look: Look) -> Self {
        let text = readable(text.as_ref());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, look }
    }
}

/// Widths of columns so far.
pub struct Table {
    heads: Option<Vec<&'static str>>,
    widths: Vec<usize>,
    colors: bool,
}

/// A wider cell does not widen its column.
const MAX_WIDTH: usize = 80;
const GAP: usize = 3;

impl Table {
    /// Without headings if `no_headers`.
    pub fn new(heads: &[&'static str], no_headers: bool, colors: bool) -> Self {
        let widths = if no_headers { vec![0; heads.len()] } else { heads.iter().map(|head| head.len()).collect() };
        Self { heads: (!no_headers).then(|| heads.to_vec()), widths, colors }
    }

    /// Lines of these rows, before the first ones the headings. Columns of later rows may be wider, never narrower.
    pub fn rows(&mut self, rows: &[Vec<Cell>]) -> String {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count().min(MAX_WIDTH));
            }
        }
        let heads = self.heads.take().map(|heads| heads.iter().map(Cell::new).collect::<Vec<_>>());
        let mut out = String::new();
        for row in heads.iter().chain(rows) {
            let last = row.len().saturating_sub(1);
            for (at, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
                out.push_str(&painted(&cell.text, cell.look, self.colors));
                if at < last {
                    out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.text.chars().count()) + GAP));
                }
            }
            out.push('\n');
        }
        out
    }
}

/// Headings of groups.
pub fn group_heads(wide: bool) -> Vec<&'static str> {
    let mut heads = vec!["ID", "SEVERITY", "COUNT", "LAST SEEN", "AGE", "RULE", "CLIENT", "SERVER", "STATUS"];
    if wide {
        heads.extend(["ASSIGNEE", "SHAPES", "HIDDEN", "CLIENT IP", "SERVER IP", "INSPECTION", "ATT&CK"]);
    }
    heads.push("MESSAGE");
    heads
}

/// A group under these headings.
pub fn group_row(group: &Group, wide: bool, now: Timestamp) -> Vec<Cell> {
    let mut cells = vec![
        Cell::new(&group.id),
        Cell::looking(&group.level, Look::of_level(&group.level)),
        Cell::new(group.count.to_string()),
        Cell::new(age(&group.last_seen, now)),
        Cell::new(age(&group.first_seen, now)),
        Cell::new(format!("{}:{}", group.gid, group.sid)),
        Cell::new(&group.client.display),
        Cell::new(server(group)),
        Cell::looking(&group.status, if group.status == "open" { Look::Plain } else { Look::Dim }),
    ];
    if wide {
        let addresses = |party: &super::model::Party| {
            let first = party.addresses.first().cloned().unwrap_or_default();
            if party.address_count > 1 { format!("{first} +{}", party.address_count - 1) } else { first }
        };
        let techniques: Vec<&str> = group.mitre.iter().map(|technique| technique.id.as_str()).collect();
        cells.extend([
            Cell::new(group.assignee.as_deref().unwrap_or_default()),
            Cell::new(group.shapes.to_string()),
            Cell::new(group.suppressed.to_string()),
            Cell::new(addresses(&group.client)),
            Cell::new(addresses(&group.server)),
            Cell::new(group.inspection.as_deref().unwrap_or_default()),
            Cell::new(techniques.join(",")),
        ]);
    }
    cells.push(Cell::new(&group.msg));
    cells
}

/// The server with its port.
pub fn server(group: &Group) -> String {
    match group.server_port {
        Some(port) => with_port(&group.server.display, Some(port)),
        None => group.server.display.clone(),
    }
}

/// `10.0.0.1:80`, `[2001:db8::1]:80`, `shop/frontend:80`.
pub fn with_port(name: &str, port: Option<u16>) -> String {
    match port {
        Some(port) if name.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{name}]:{port}"),
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// A time of the API without a fraction that says nothing.
pub fn moment(time: &str) -> String {
    match time.strip_suffix('Z').and_then(|time| time.split_once('.')) {
        Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
            "" => format!("{seconds}Z"),
            fraction => format!("{seconds}.{fraction}Z"),
        },
        None => time.to_owned(),
    }
}

/// `1 group`, `2 groups`.
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// How long ago, in kubectl's words; empty if it is no time.
pub fn age(time: &str, now: Timestamp) -> String {
    let Some(then) = parse_rfc3339(time) else { return String::new() };
    let seconds = now.0.saturating_sub(then.0).div_euclid(1_000_000_000).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let both = |big: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => both(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => both(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => both(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => both(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        parse_rfc3339("2026-11-24T03:12:07Z").unwrap()
    }

    fn group(id: &str, msg: &str) -> Group {
        serde_json::from_value(serde_json::json!({
            "id": id, "gid": 1, "sid": 1122, "level": "high", "severity": 80, "count": 12, "shapes": 2, "msg": msg,
            "client": { "display": "203.0.113.0/24", "addresses": ["203.0.113.7"], "address_count": 3 },
            "server": { "display": "shop/frontend", "addresses": ["10.9.8.7"], "address_count": 1 },
            "server_port": 80, "first_seen": "2026-11-20T03:12:07Z", "last_seen": "2026-11-24T03:11:03Z", "status": "open",
            "mitre": [{ "id": "T1190" }, { "id": "T1071.001" }],
        }))
        .unwrap()
    }

    #[test]
    fn columns_are_aligned_over_pages_and_the_message_is_last() {
        let mut table = Table::new(&group_heads(false), false, false);
        let first = table.rows(&[group_row(&group("56f9121ea4b8622e", "a rule"), false, now())]);
        let second = table.rows(&[group_row(&group("b", "x\u{1b}[2Jy"), false, now())]);
        insta::assert_snapshot!(first + &second, @r"
        ID                 SEVERITY   COUNT   LAST SEEN   AGE   RULE     CLIENT           SERVER             STATUS   MESSAGE
        56f9121ea4b8622e   high       12      64s         4d    1:1122   203.0.113.0/24   shop/frontend:80   open     a rule
        b                  high       12      64s         4d    1:1122   203.0.113.0/24   shop/frontend:80   open     x\x1b[2Jy
        ");
        assert!(Table::new(&group_heads(false), true, false).rows(&[]).is_empty());
    }

    #[test]
    fn wide_has_more_columns() {
        let mut table = Table::new(&group_heads(true), false, false);
        insta::assert_snapshot!(table.rows(&[group_row(&group("56f9121ea4b8622e", "a rule"), true, now())]), @r"
        ID                 SEVERITY   COUNT   LAST SEEN   AGE   RULE     CLIENT           SERVER             STATUS   ASSIGNEE   SHAPES   HIDDEN   CLIENT IP        SERVER IP   INSPECTION   ATT&CK            MESSAGE
        56f9121ea4b8622e   high       12      64s         4d    1:1122   203.0.113.0/24   shop/frontend:80   open     -          2        0        203.0.113.7 +2   10.9.8.7    -            T1190,T1071.001   a rule
        ");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let plain = Table::new(&["A", "B"], true, false).rows(&[vec![Cell::looking("x", Look::Red), Cell::new("y")]]);
        let colored = Table::new(&["A", "B"], true, true).rows(&[vec![Cell::looking("x", Look::Red), Cell::new("y")]]);
        assert_eq!(colored.replace("\x1b[31m", "").replace("\x1b[0m", ""), plain);
        assert_ne!(colored, plain);
    }

    #[test]
    fn fractions_that_say_nothing_are_left_out() {
        assert_eq!(moment("2026-11-24T03:12:07.000000000Z"), "2026-11-24T03:12:07Z");
        assert_eq!(moment("2026-11-24T03:12:07.250000000Z"), "2026-11-24T03:12:07.25Z");
        for same in ["2026-11-24T03:12:07Z", "", "x"] {
            assert_eq!(moment(same), same);
        }
    }

    #[test]
    fn ages_are_kubectls() {
        let ago = |seconds: i64| age(&tapir_event::rfc3339(Timestamp(now().0 - seconds * 1_000_000_000)), now());
        let ages: Vec<String> = [
            -5,
            0,
            119,
            120,
            125,
            600,
            10_799,
            10_800,
            10_860,
            28_800,
            172_800,
            176_400,
            691_200,
            63_072_000,
            400_000_000,
        ]
        .into_iter()
        .map(ago)
        .collect();
        let wanted =
            ["0s", "0s", "119s", "2m", "2m5s", "10m", "179m", "3h", "3h1m", "8h", "2d", "2d1h", "8d", "2y", "12y"];
        assert_eq!(ages, wanted);
        assert_eq!(age("nonsense", now()), "");
    }
}
