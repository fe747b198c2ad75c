//! `tapir alerts` as people type it, against a real manager.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use support::busy::Busy;
use support::{Done, PATIENCE, Served, event, run, tapir};
use tapir_event::SecurityEvent;

fn some_events() -> Vec<SecurityEvent> {
    let mut events: Vec<_> = (1..=5).map(|seq| event(seq, 100, "203.0.113.7", 60)).collect();
    events.push(event(6, 200, "203.0.113.7", 30));
    events.push(event(7, 300, "198.51.100.1", 20));
    events
}

fn with_events() -> Served {
    let served = Served::new();
    served.ingest(&some_events());
    served
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn group_of(served: &Served, sid: u32) -> String {
    let query = format!("sid:{sid}");
    served.ok(&["list", "--query", &query, "--status", "all", "-o", "name"]).trim().to_owned()
}

fn status_of(served: &Served, sid: u32) -> String {
    let query = format!("sid:{sid}");
    let list = json(&served.ok(&["list", "--query", &query, "--status", "all", "-o", "json"]));
    list["items"][0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn the_list_is_a_table_and_has_other_forms() {
    let served = with_events();
    let table = served.ok(&["--sort", "count"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[0].contains("LAST SEEN   AGE") && lines[0].ends_with("MESSAGE"));
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(words[1..3], ["high", "5"], "{table}");
    assert_eq!(words[5..9], ["1:100", "203.0.113.0/24", "shop/frontend:80", "open"], "{table}");
    assert!(lines[1].ends_with("   rule 100") && !table.contains('\x1b'), "{table}");
    let at = lines[0].find("STATUS").unwrap();
    assert!(lines.iter().skip(1).all(|line| line[at..].starts_with("open ")), "{table}");

    let wide = served.ok(&["list", "-o", "wide", "--no-headers"]);
    assert!(wide.lines().count() == 3 && wide.contains("10.9.8.7") && wide.contains("T1190"), "{wide}");
    // Page by page it is the same list.
    let paged = served.ok(&["list", "-o", "json", "--chunk-size", "1"]);
    let whole = served.ok(&["list", "-o", "json"]);
    let ids = |text: &str| -> Vec<String> {
        json(text)["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()).collect()
    };
    assert_eq!(ids(&paged).len(), 3);
    assert_eq!(ids(&paged), ids(&whole));
    let yaml = served.ok(&["list", "-o", "yaml", "--limit", "1"]);
    assert!(yaml.starts_with("items:\n- ") && yaml.contains("\n  status: open\n"), "{yaml}");
    let names = served.ok(&["list", "-o", "name", "-n", "shop", "--query", "sid:200 OR sid:300"]);
    assert!(names.lines().count() == 2 && names.lines().all(|name| name.starts_with("group/")), "{names}");
    assert_eq!(served.ok(&["list", "-o", "name", "--from", "2023-11-14"]).lines().count(), 3);
    assert_eq!(served.ok(&["list", "-n", "elsewhere", "-o", "json"]), "{\n  \"items\": []\n}\n");

    let limited = served.run(&["list", "--limit", "1"]);
    assert!(limited.out.lines().count() == 2 && limited.err.contains("3 groups in all"), "{limited:?}");
    let none = served.run(&["list", "--query", "sid:999"]);
    assert!((none.code, none.out.as_str()) == (0, "") && none.err.contains("no alerts"), "{none:?}");
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let served = with_events();
    let wrong = served.run(&["list", "--query", "ns:shop severty:high"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    let lines: Vec<&str> = wrong.err.lines().collect();
    assert_eq!(lines[1..], ["  ns:shop severty:high", "          ^^^^^^^ write `severity`"], "{wrong:?}");
    // The place is that of the query as it was typed, also beside a namespace.
    let wrong = served.run(&["list", "-n", "shop", "--query", "a) OR (b"]);
    assert!(wrong.code == 2 && wrong.err.contains("\n  a) OR (b\n   ^"), "{wrong:?}");

    let says = |done: Done, code: i32, text: &str| {
        assert!(done.code == code && done.out.is_empty() && done.err.contains(text), "{text}: {done:?}");
    };
    says(served.run(&["show", "0000000000000001"]), 1, "no such");
    says(served.run(&["show", "nonsense"]), 2, "tapir alerts list");
    says(served.run(&["show", "worker-3-1-999"]), 1, "no such");
    says(served.run(&["list", "--from", "yesterday"]), 2, "now-24h");
    says(served.run(&["--query", "sid:1", "show", "0000000000000001"]), 2, "behind it");
    says(served.run(&["list", "--token", "x"]), 2, "--token");

    let mut command = served.command(&["list"]);
    command.env_remove("TAPIR_TOKEN_FILE");
    says(run(command), 2, "--token-file");
    let mut command = served.command(&["list"]);
    command.env("TAPIR_TOKEN", "wrong");
    says(run(command), 1, "does not know who asks");
    let mut command = tapir();
    command.args(["alerts", "--server", "http://127.0.0.1:1"]).env("TAPIR_TOKEN", "x");
    says(run(command), 1, "cannot reach the manager at http://127.0.0.1:1");
    let mut command = tapir();
    command.args(["alerts", "--server", "https://u:secret@example.test"]).env("TAPIR_TOKEN", "x");
    let done = run(command);
    assert!(!done.err.contains("secret"), "{done:?}");
    says(done, 2, "no password");
}

#[test]
fn an_alert_is_shown_with_words_and_bytes_and_without_danger() {
    let served = Served::new();
    let mut hostile = event(1, 100, "203.0.113.7", 60);
    let mut rule = (*hostile.rule).clone();
    rule.msg = Some("evil \x1b[2J\u{202e}msg".to_owned());
    hostile.rule = Arc::new(rule);
    hostile.interface = "eth\x1b]0;x\x07".into();
    served.ingest(&[hostile, event(2, 200, "203.0.113.8", 30)]);
    let group = group_of(&served, 100);
    let shown = served.ok(&["show", &group]);
    for part in [
        "evil \\x1b[2J\\u{202e}msg",
        "shop/frontend (10.9.8.7",
        "Why the rule fired",
        "* http_uri: ",
        "at byte 5, 6 bytes",
        "00000000  2f 65 74 63 2f 70 61 73  73 77 64                 |/etc/passwd|\n",
        "                         ^^ ^^ ^^  ^^ ^^ ^^                       ^^^^^^\n",
        "worker-3-1-1",
        "eth\\x1b]0;x\\x07",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for form in ["table", "wide", "json", "yaml", "name"] {
        for what in [vec!["show", group.as_str()], vec!["show", "worker-3-1-1"], vec!["list"]] {
            let text = served.ok(&[what.as_slice(), &["-o", form]].concat());
            let plain = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
            assert!(text.chars().all(plain), "{form} {what:?}: {text:?}");
        }
    }
    let event = json(&served.ok(&["show", "event/worker-3-1-1", "-o", "json"]));
    assert_eq!(event["rule"]["msg"], "evil \x1b[2J\u{202e}msg");
    assert_eq!(served.ok(&["show", "worker-3-1-1", "-o", "name"]), "event/worker-3-1-1\n");
}

#[test]
fn decisions_by_query_are_counted_asked_about_and_undone() {
    let served = with_events();
    let dismiss = ["dismiss", "--query", "sid:100 OR sid:200", "--reason", "expected"];
    let refused = served.run(&dismiss);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("2 groups") && refused.err.contains("--yes"), "{refused:?}");
    let dry = served.ok(&[&dismiss[..], &["--dry-run"]].concat());
    assert!(dry.contains("2 groups would be dismissed") && dry.contains("rule 100"), "{dry}");
    assert_eq!(status_of(&served, 100), "open");

    let done = served.ok(&[&dismiss[..], &["--yes", "-m", "a scan of ours"]].concat());
    assert!(done.contains("2 groups with 6 events dismissed\n"), "{done}");
    assert_eq!((status_of(&served, 100), status_of(&served, 300)), ("dismissed".into(), "open".into()));
    let undo = done.lines().find_map(|line| line.strip_prefix("undo: tapir alerts undo ")).unwrap();
    let undo = undo.split_whitespace().next().unwrap();
    let undone = served.ok(&["undo", undo]);
    assert!(undone.contains("2 groups as before"), "{undone}");
    assert_eq!(status_of(&served, 100), "open");
    let again = served.run(&["undo", undo]);
    assert!(again.code == 1 && again.err.contains("undo"), "{again:?}");

    let nothing = served.run(&["ack", "--query", "sid:999", "--yes"]);
    assert!(nothing.code == 0 && nothing.err.contains("no groups"), "{nothing:?}");
    assert_eq!(served.run(&["ack", "--yes"]).code, 2);
    assert_eq!(served.run(&["dismiss", "--query", "sid:100", "--yes"]).code, 2);
    assert_eq!(served.run(&["dismiss", "--query", "sid:100", "--reason", "other", "--yes"]).code, 2);
}

#[test]
fn decisions_by_name_need_no_question() {
    let served = with_events();
    let group = group_of(&served, 100);
    assert!(served.ok(&["ack", &group, "--dry-run"]).contains("would be acknowledged"));
    assert_eq!(status_of(&served, 100), "open");
    assert!(served.ok(&["ack", &group]).starts_with(&format!("{group} acknowledged\n")));
    // An event stands for its group.
    assert_eq!(served.ok(&["escalate", "worker-3-1-3", "-o", "name"]), format!("{group}\n"));
    assert_eq!(status_of(&served, 100), "escalated");
    served.ok(&["reopen", &group]);
    served.ok(&["assign", &group, "--assignee", "@me"]);
    served.ok(&["comment", &group, "--message", "look at \x1b[31mthis"]);
    served.ok(&["dismiss", &group, "--reason", "false-positive", "--until", "30d"]);
    let shown = served.ok(&["show", &group]);
    for part in ["dismissed, false_positive", "admin", "look at \\x1b[31mthis", "Decisions"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    served.ok(&["assign", &group, "--nobody"]);
    let detail = json(&served.ok(&["show", &group, "-o", "json"]));
    assert_eq!(detail["assignee"], Value::Null);
    assert_eq!(served.run(&["comment", &group]).code, 2);
    assert_eq!(served.run(&["assign", &group]).code, 2);
    let answer = json(&served.ok(&["reopen", &group, "-o", "json"]));
    assert_eq!(answer["changed"], 1);
}

#[test]
fn quiet_shows_what_it_would_hide_and_then_hides() {
    let served = with_events();
    let group = group_of(&served, 100);
    let preview = served.ok(&["quiet", &group]);
    let rows: Vec<Vec<&str>> = preview.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["N", "SCOPE", "WOULD", "HIDE"]);
    assert_eq!(rows[1][..6], ["1", "pair", "5", "0", "1", "1"], "{preview}");
    let make = ["quiet", group.as_str(), "--scope", "pair", "--reason", "our scanner", "--expires", "30d"];
    assert_eq!(served.run(&make).code, 2, "nobody is there to say yes");
    assert!(served.ok(&[&make[..], &["--dry-run"]].concat()).contains("would quiet this pair"));
    assert_eq!(served.run(&["quiet", &group, "--scope", "9", "--reason", "x", "--expires", "never"]).code, 2);
    assert_eq!(served.run(&["quiet", &group, "--scope", "1"]).code, 2, "a reason is needed");
    let made = served.ok(&[&make[..], &["--yes"]].concat());
    served.ingest(&[event(20, 100, "203.0.113.7", 5)]);
    let list = || json(&served.ok(&["list", "--query", "sid:100", "-o", "json"]))["items"][0].clone();
    let quiet = list();
    assert_eq!((&quiet["count"], &quiet["suppressed"]), (&5.into(), &1.into()), "{made}");
    let id = made.lines().next().unwrap().strip_suffix(" made").unwrap();
    assert!(made.contains(&format!("tapir alerts unquiet {}", id.strip_prefix("suppression/").unwrap())), "{made}");
    served.ok(&["unquiet", id, "--reveal"]);
    assert_eq!(list()["count"], 6);
}

/// A command that runs on, and its lines of output.
struct Running(Child, Receiver<String>, Receiver<String>);

impl Running {
    fn start(served: &Served, args: &[&str]) -> Self {
        Self::of(served.command(args))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self(child, lines(out), lines(err))
    }

    #[track_caller]
    fn line(&self) -> String {
        self.1.recv_timeout(PATIENCE).expect("a line in time")
    }

    #[track_caller]
    fn message(&self) -> String {
        self.2.recv_timeout(PATIENCE).expect("a message in time")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn watch_prints_the_list_and_then_what_changes_also_over_a_restart() {
    let mut served = with_events();
    let watch = Running::start(&served, &["list", "--watch", "--query", "sid:100", "-o", "json"]);
    assert_eq!(json(&watch.line())["count"], 5);
    served.ingest(&[event(30, 100, "203.0.113.7", 1)]);
    assert_eq!(json(&watch.line())["count"], 6);
    served.end();
    assert!(watch.message().contains("trying again"));
    served.ingest(&[event(31, 100, "203.0.113.7", 1), event(32, 200, "203.0.113.7", 1)]);
    served.start();
    // What came while nobody listened is not missed, and nothing of other rules is shown.
    assert_eq!(json(&watch.line())["count"], 7);
    assert!(watch.message().contains("connected again"));
}

#[test]
fn follow_prints_new_alerts_only_and_notices_another_store() {
    let mut served = with_events();
    let mut follow = Running::start(&served, &["follow", "--limit", "40", "-o", "json"]);
    // Until it listens nothing comes; each event is one of a group of its own.
    let mut sid = 1_000;
    let first = loop {
        served.ingest(&[event(u64::from(sid), sid, "203.0.113.7", 1)]);
        if let Ok(line) = follow.1.recv_timeout(std::time::Duration::from_secs(2)) {
            break json(&line);
        }
        sid += 1;
        assert!(sid < 1_030);
    };
    assert!(first["sid"].as_u64().unwrap() >= 1_000, "{first}");
    // A decision is no alert.
    let group = format!("group/{}", first["id"].as_str().unwrap());
    served.ok(&["comment", &group, "-m", "seen"]);
    served.end();
    served.replace_store();
    served.start();
    let messages: Vec<String> = (0..3).map(|_| follow.message()).collect();
    assert!(messages.iter().any(|message| message.contains("another")), "{messages:?}");
    served.ingest(&[event(1, 5_000, "203.0.113.7", 1)]);
    let seen = loop {
        let row = json(&follow.line());
        assert_eq!(row["comments"], 0, "{row}");
        if row["sid"] == 5_000 {
            break row;
        }
    };
    assert_eq!(seen["count"], 1);
    let many: Vec<_> = (2..42).map(|seq| event(seq, 5_000 + u32::try_from(seq).unwrap(), "203.0.113.7", 1)).collect();
    served.ingest(&many);
    // After so many rows it is done.
    let ended = std::time::Instant::now();
    while follow.0.try_wait().unwrap().is_none() {
        assert!(ended.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(follow.0.wait().unwrap().success());
}

/// As [`Served::command`], through a door.
fn through(busy: &Busy, served: &Served, args: &[&str]) -> Done {
    let mut command = served.command(args);
    command.env("TAPIR_SERVER", format!("http://{}", busy.at));
    run(command)
}

/// Without `61s`, `3m`, `2h`, `9d`, which go on from one call to the next.
fn ageless(text: &str) -> Vec<&str> {
    let is_age = |word: &str| {
        word.strip_suffix(['s', 'm', 'h', 'd'])
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split_whitespace().filter(|word| !is_age(word)).collect()
}

#[test]
fn a_manager_that_is_busy_is_asked_again() {
    let served = with_events();
    let group = group_of(&served, 100);
    let busy = Busy::new(served.at, 2, "0");
    let reads: [&[&str]; 8] = [
        &[],
        &["list", "-n", "shop", "--query", "sid:100"],
        &["show", &group],
        &["show", "worker-3-1-1"],
        &["quiet", &group],
        &["ack", &group, "--dry-run"],
        &["dismiss", "--query", "sid:100", "--reason", "expected", "--dry-run"],
        &["quiet", "worker-3-1-1", "--scope", "1", "--reason", "x", "--expires", "30d", "--dry-run"],
    ];
    for args in reads {
        let done = through(&busy, &served, args);
        let refused = busy.refused();
        assert!(done.code == 0 && !done.out.is_empty() && refused >= 2, "{refused} {args:?}: {done:?}");
        assert_eq!(ageless(&done.out), ageless(&served.ok(args)), "{args:?}");
        assert!(busy.changes().is_empty(), "{args:?}");
    }
    // What changes something is sent once.
    let done = through(&busy, &served, &["assign", &group, "--assignee", "@me"]);
    assert!(done.code == 0 && busy.refused() == 2, "{done:?}");
    assert_eq!(busy.changes(), ["POST /api/v1/groups/actions"]);

    // As `kubectl` asks.
    let mut command = tapir();
    command.args(["kubectl", "drops"]).env("TAPIR_TOKEN_FILE", served.token_file());
    command.env("TAPIR_SERVER", format!("http://{}", busy.at));
    let done = run(command);
    assert!(done.code == 0 && busy.refused() == 2, "{done:?}");
}

#[test]
fn a_manager_that_stays_busy_is_told_of_and_its_pause_kept() {
    let served = with_events();
    let busy = Busy::new(served.at, usize::MAX, "1");
    let started = std::time::Instant::now();
    let done = through(&busy, &served, &["list"]);
    assert_eq!((done.code, done.out.as_str(), busy.refused()), (1, "", 4), "{done:?}");
    assert!(done.err.contains("no time now"), "{done:?}");
    assert!(
        started.elapsed() >= std::time::Duration::from_secs(3),
        "three pauses of a second: {:?}",
        started.elapsed()
    );
}

#[test]
fn a_follower_waits_for_a_manager_that_is_busy() {
    let served = with_events();
    let busy = Busy::new(served.at, 2, "1");
    let mut command = served.command(&["list", "--watch", "--query", "sid:100", "-o", "json"]);
    command.env("TAPIR_SERVER", format!("http://{}", busy.at));
    let watch = Running::of(command);
    assert_eq!(json(&watch.line())["count"], 5);
    assert!(watch.message().contains("no time now; trying again") && watch.message().contains("connected again"));
    assert_eq!(busy.refused(), 4, "the stream and the list, twice each");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let served = with_events();
    let mut child =
        served.command(&["list", "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
