mod decode;
mod events;
mod field;
mod head;
mod path;
mod span;
mod start_line;
mod uri;
