//! The two text formats of metrics: OpenMetrics 1.0 for who asks for it, and Prometheus' own (0.0.4), which
//! browsers show and every collector reads.

use headwaiter_http::Head;

use crate::exchange::answer::Answer;

/// What a page of metrics is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observe) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    /// What the request accepts: OpenMetrics only if a field says so.
    pub(super) fn accepted(head: &Head) -> Self {
        let asks = |(name, value): (&[u8], &[u8])| {
            let text = value.to_ascii_lowercase();
            let media = b"application/openmetrics-text";
            name.eq_ignore_ascii_case(b"accept") && text.windows(media.len()).any(|at| at == media)
        };
        match head.fields().any(asks) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The answer with `page`, which is in OpenMetrics.
    pub(in crate::observe) fn answer(self, page: String) -> Answer {
        match self {
            Self::OpenMetrics => Answer::new(
                200,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                page,
            ),
            Self::Prometheus => Answer::new(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                to_prometheus(&page),
            ),
        }
    }
}

/// In OpenMetrics a family has the name without the ending of its samples, and may have a unit; a page has an end.
fn to_prometheus(page: &str) -> String {
    let mut made = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(text)) => help = Some((name, text)),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (ending, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                    made.push_str(&format!("# HELP {name}{ending} {text}\n"));
                }
                made.push_str(&format!("# TYPE {name}{ending} {kind}\n"));
            }
            (Some("#"), ..) => {}
            _ => {
                made.push_str(line);
                made.push('\n');
            }
        }
    }
    made
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use headwaiter_http::HeadLimits;

    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let page = "# HELP a_seconds What a did.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
            a_seconds_total{b=\"# TYPE c\"} 1.5\n# HELP d Of d.\n# TYPE d info\nd_info{e=\"f\"} 1\n\
            # TYPE g gauge\ng 2\n# EOF\n";
        let made = "# HELP a_seconds_total What a did.\n# TYPE a_seconds_total counter\n\
            a_seconds_total{b=\"# TYPE c\"} 1.5\n# HELP d_info Of d.\n# TYPE d_info gauge\nd_info{e=\"f\"} 1\n\
            # TYPE g gauge\ng 2\n";
        assert_eq!(to_prometheus(page), made);
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let accepts = |fields: &str| {
            let text = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut head = Head::new();
            let limits = HeadLimits {
                size: 1024,
                fields: 8,
            };
            head.parse(text.as_bytes(), &mut 0, limits).unwrap();
            Format::accepted(&head)
        };
        let scraper =
            "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n";
        assert_eq!(accepts(scraper), Format::OpenMetrics);
        assert_eq!(accepts("Accept: */*\r\n"), Format::Prometheus);
        assert_eq!(accepts(""), Format::Prometheus);
    }
}
