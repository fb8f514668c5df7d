//! The log: one JSON object a line on stdout.
//!
//! Every request writes a line, so what a line costs is what every request costs. The library's own JSON format reads the
//! fields of a span back from their text for each event and tracks spans for filters that this log does not offer; that
//! was a third of what the smallest request took.

use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, layer};
use tracing_subscriber::registry::LookupSpan;

/// What passes `filter`, written to stdout.
pub fn to_stdout<S>(filter: Targets) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    layer()
        .with_ansi(false)
        .fmt_fields(JsonFields::new())
        .event_format(Line)
        .with_filter(filter)
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", metadata.level())?;
        let mut fields = Fields {
            writer: &mut writer,
            outcome: Ok(()),
        };
        event.record(&mut fields);
        fields.outcome?;
        write!(writer, ",\"target\":\"{}\"", metadata.target())?;
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            // An object already, which its name is added to.
            let fields = extensions
                .get::<FormattedFields<N>>()
                .map_or("{}", |fields| fields.fields.as_str());
            let fields = fields.strip_suffix('}').unwrap_or("{");
            let comma = if fields == "{" { "" } else { "," };
            write!(writer, ",\"span\":{fields}{comma}\"name\":\"{}\"}}", span.name())?;
        }
        writer.write_str("}\n")
    }
}

/// Writes the fields of an event, each behind a comma.
struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    outcome: fmt::Result,
}

impl Fields<'_, '_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.outcome.is_ok() {
            self.outcome = write!(self.writer, ",\"{}\":{value}", field.name());
        }
    }

    fn write_text(&mut self, field: &Field, text: &str) {
        // Text always becomes JSON; whatever could fail is in what reads the value.
        let text = serde_json::to_string(text).unwrap_or_default();
        self.write(field, format_args!("{text}"));
    }
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.write(field, format_args!("{value}")),
            false => self.write(field, format_args!("null")),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_text(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic before").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = layer()
            .with_ansi(false)
            .fmt_fields(JsonFields::new())
            .event_format(Line)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(kept.0.lock().expect("no panic before").clone()).expect("UTF-8");
        let lines = text.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    #[test]
    fn a_line_is_one_json_object_whatever_its_values_hold() {
        let nasty = "a \"quote\", a \\ and\na line, 한글 🌇 \u{1b}[31m";
        let lines = logged(|| {
            let span = tracing::info_span!("request", request_id = nasty, route = %"/api/posts/{id}");
            let _entered = span.enter();
            tracing::warn!(cause = %nasty, took_ms = 0.5, never = f64::NAN, status = 200, is = true, was = -1, "answered");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(
            line["span"],
            json!({ "request_id": nasty, "route": "/api/posts/{id}", "name": "request" })
        );
        assert_eq!(
            (
                &line["cause"],
                &line["took_ms"],
                &line["never"],
                &line["status"],
                &line["is"],
                &line["was"]
            ),
            (
                &json!(nasty),
                &json!(0.5),
                &Value::Null,
                &json!(200),
                &json!(true),
                &json!(-1)
            )
        );
        assert_eq!((&line["message"], &line["level"]), (&json!("answered"), &json!("WARN")));
        assert!(
            line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')),
            "{line}"
        );
    }

    #[test]
    fn a_line_outside_of_any_span_has_none_and_a_span_needs_no_fields() {
        let lines = logged(|| {
            tracing::info!("alone");
            tracing::info_span!("bare").in_scope(|| tracing::info!("within"));
        });
        assert_eq!(lines[0].get("span"), None);
        assert_eq!(lines[1]["span"], json!({ "name": "bare" }));
    }
}
