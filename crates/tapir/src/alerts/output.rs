//! Where the output goes, in which form, and with which looks.

use super::failure::Failure;
use super::model::{Group, read};
use super::readable::{readable, readable_json};
use super::table::{Look, Table, group_heads, group_row, painted};
use super::yaml;
use crate::args::alerts::Form;
use crate::identity::wall_clock;
use serde_json::Value;
use std::io::{BufWriter, IsTerminal, StdoutLock, Write};

/// Standard output.
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
    /// Form.
    pub form: Form,
    /// Standard output is a terminal that shows colours, and nobody said otherwise.
    pub colors: bool,
    no_headers: bool,
}

impl Output {
    /// In a form.
    pub fn new(form: Form, no_headers: bool) -> Self {
        let out = std::io::stdout();
        let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colors = out.is_terminal() && unset("NO_COLOR") && !dumb;
        Self { out: BufWriter::with_capacity(64 << 10, out.lock()), form, colors, no_headers }
    }

    /// A line whose text was made here; texts of others in it are escaped already.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{}", text.as_ref())?)
    }

    /// Text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// `name   value`, the value escaped; nothing if it is empty.
    pub fn field(&mut self, name: &str, value: impl AsRef<str>) -> Result<(), Failure> {
        let value = readable(value.as_ref());
        if value.is_empty() {
            return Ok(());
        }
        let name = format!("{name}:");
        self.line(format!("{name:<14}{value}"))
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) -> Result<(), Failure> {
        let text = painted(text, Look::Bold, self.colors);
        self.line(format!("\n{text}"))
    }

    /// What is there is to be seen now.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// A table of this output.
    pub fn table(&self, heads: &[&'static str]) -> Table {
        Table::new(heads, self.no_headers, self.colors)
    }

    /// The answer as it is, in form JSON or YAML; whether it was one of these.
    pub fn answer(&mut self, value: &Value) -> Result<bool, Failure> {
        match self.form {
            Form::Json => self.line(pretty(value))?,
            Form::Yaml => self.text(&yaml::yaml(value))?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn pretty(value: &Value) -> String {
    // A value of serde_json can be written.
    readable_json(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Groups one after another: of a list that ends, or of a stream that does not.
pub struct Groups {
    table: Table,
    /// Of a stream: every group is a document of its own.
    single: bool,
    printed: u64,
}

impl Groups {
    /// Before the first.
    pub fn new(output: &Output, single: bool) -> Self {
        Self { table: output.table(&group_heads(output.form == Form::Wide)), single, printed: 0 }
    }

    /// How many were printed.
    pub fn printed(&self) -> u64 {
        self.printed
    }

    /// Some more.
    pub fn rows(&mut self, output: &mut Output, items: &[Value]) -> Result<(), Failure> {
        match output.form {
            Form::Table | Form::Wide => {
                let (wide, now) = (output.form == Form::Wide, wall_clock());
                let rows = items.iter().map(|item| Ok(group_row(&read::<Group>(item)?, wide, now)));
                let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
                if !rows.is_empty() {
                    output.text(&self.table.rows(&rows))?;
                }
            }
            Form::Name => {
                for item in items {
                    output.line(format!("group/{}", readable(item["id"].as_str().unwrap_or_default())))?;
                }
            }
            Form::Json if self.single => {
                for item in items {
                    output.line(readable_json(&item.to_string()))?;
                }
            }
            Form::Json => {
                for (at, item) in items.iter().enumerate() {
                    let first = self.printed == 0 && at == 0;
                    output.text(if first { "{\n  \"items\": [\n" } else { ",\n" })?;
                    let text: Vec<String> = pretty(item).lines().map(|line| format!("    {line}")).collect();
                    output.text(&text.join("\n"))?;
                }
            }
            Form::Yaml => {
                for (at, item) in items.iter().enumerate() {
                    if self.single {
                        output.line("---")?;
                        output.text(&yaml::yaml(item))?;
                    } else {
                        if self.printed == 0 && at == 0 {
                            output.line("items:")?;
                        }
                        output.text(&yaml::item(item, 0))?;
                    }
                }
            }
        }
        self.printed += u64::try_from(items.len()).unwrap_or(u64::MAX);
        output.flush()
    }

    /// Behind the last. A list that failed has no end: what is left of its JSON is none.
    pub fn end(&mut self, output: &mut Output) -> Result<(), Failure> {
        match (output.form, self.printed, self.single) {
            (_, _, true) => {}
            (Form::Json, 0, _) => output.line("{\n  \"items\": []\n}")?,
            (Form::Json, ..) => output.line("\n  ]\n}")?,
            (Form::Yaml, 0, _) => output.line("items: []")?,
            _ => {}
        }
        output.flush()
    }
}
