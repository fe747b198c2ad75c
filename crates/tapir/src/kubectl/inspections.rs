//! `kubectl tapir inspections`: what asks for inspection, with what nodes say of it.

use super::asked::{self, Asked};
use super::cluster::{Cluster, block_on};
use crate::alerts::failure::Failure;
use crate::alerts::output::Output;
use crate::alerts::readable::readable;
use crate::alerts::table::{Cell, Look, age};
use crate::args::alerts::Form;
use crate::args::kubectl::ClusterArgs;
use crate::identity::wall_clock;
use crate::message::Messages;
use serde_json::{Value, json};
use tapir_packet::Timestamp;

/// Prints them.
pub fn run(args: &ClusterArgs, messages: &Messages) -> Result<u8, Failure> {
    let (asked, unread, namespace) = block_on(async {
        let cluster = Cluster::connect(args).await?;
        let (asked, unread) = asked::read(&cluster).await?;
        Ok((asked, unread, cluster.namespace))
    })?;
    let mut output = Output::new(args.output, args.no_headers);
    let items: Vec<&Value> = asked.iter().map(|one| &one.value).collect();
    match args.output {
        Form::Json | Form::Yaml => {
            output.answer(&json!({ "items": items }))?;
        }
        Form::Name => {
            for one in &asked {
                output.line(readable(&resource_name(one)))?;
            }
        }
        Form::Table | Form::Wide if asked.is_empty() => {}
        form @ (Form::Table | Form::Wide) => {
            let (wide, now) = (form == Form::Wide, wall_clock());
            let rows: Vec<Vec<Cell>> = asked.iter().map(|one| row(one, wide, now)).collect();
            let text = output.table(&heads(wide)).rows(&rows);
            output.text(&text)?;
        }
    }
    output.flush()?;
    if let Some(why) = unread {
        messages.warning(&format!("inspections of the whole cluster are not shown: {why}"));
    }
    if asked.is_empty() {
        let place = namespace
            .map_or_else(String::new, |namespace| format!(" in namespace {}; -A shows all", readable(&namespace)));
        messages.info(&format!("nothing asks for inspection{place}"));
    }
    Ok(0)
}

fn resource_name(one: &Asked) -> String {
    match one.namespace {
        Some(_) => format!("deeppacketinspection.projectcalico.org/{}", one.name),
        None => format!("inspection.tapir.dev/{}", one.name),
    }
}

fn heads(wide: bool) -> Vec<&'static str> {
    let mut heads = vec!["NAMESPACE", "NAME", "NODES", "ENDPOINTS", "ERRORS", "AGE"];
    if wide {
        heads.extend(["KIND", "LAST ERROR"]);
    }
    heads.push("SELECTOR");
    heads
}

fn row(one: &Asked, wide: bool, now: Timestamp) -> Vec<Cell> {
    let all_ready = one.nodes.is_none_or(|(ready, all)| ready == all);
    let look = |well: bool| if well { Look::Plain } else { Look::Yellow };
    let mut cells = vec![
        Cell::new(one.namespace.as_deref().unwrap_or_default()),
        Cell::new(&one.name),
        Cell::looking(one.nodes.map(|(ready, all)| format!("{ready}/{all}")).unwrap_or_default(), look(all_ready)),
        Cell::new(&one.endpoints),
        Cell::looking(one.errors.len().to_string(), look(one.errors.is_empty())),
        Cell::new(age(&one.created, now)),
    ];
    if wide {
        cells.extend([Cell::new(one.kind()), Cell::new(one.errors.last().map_or("", String::as_str))]);
    }
    cells.push(Cell::new(&one.selector));
    cells
}

#[cfg(test)]
mod tests {
    use super::super::asked::tests::{calicos, own};
    use super::*;
    use crate::alerts::table::Table;

    #[test]
    fn both_kinds_are_rows_of_one_table() {
        let now = tapir_event::parse_rfc3339("2026-11-27T03:12:07Z").unwrap();
        let asked = [
            calicos("shop", "frontend", "app == 'frontend'"),
            calicos("shop", "odd", "app = \"\u{1b}[2J\""),
            own("all", json!({"workloads": {}})),
        ];
        let show = |wide| {
            let rows: Vec<_> = asked.iter().map(|one| row(one, wide, now)).collect();
            Table::new(&heads(wide), false, false).rows(&rows)
        };
        insta::assert_snapshot!(show(false), @r#"
        NAMESPACE   NAME       NODES   ENDPOINTS   ERRORS   AGE   SELECTOR
        shop        frontend   1/2     2/3         1        3d    app == 'frontend'
        shop        odd        1/2     2/3         2        3d    app = "\x1b[2J"
        -           all        -       -           0        -     all()
        "#);
        insta::assert_snapshot!(show(true), @r#"
        NAMESPACE   NAME       NODES   ENDPOINTS   ERRORS   AGE   KIND                   LAST ERROR                                 SELECTOR
        shop        frontend   1/2     2/3         1        3d    DeepPacketInspection   n2: no interface for shop/cart-\u{202e}1   app == 'frontend'
        shop        odd        1/2     2/3         2        3d    DeepPacketInspection   n2: no interface for shop/cart-\u{202e}1   app = "\x1b[2J"
        -           all        -       -           0        -     Inspection             -                                          all()
        "#);
        assert_eq!(resource_name(&asked[0]), "deeppacketinspection.projectcalico.org/frontend");
    }
}
