//! Parses the format of a line: `combined`, `json`, or a format string with gunicorn's atoms and ours.

use std::fmt;
use std::str::FromStr;

use crate::record::Phase;

/// The format of the access log, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Literal text and atoms, in order.
    Text(Vec<Piece>),
    /// One JSON object per line.
    Json,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Copied unchanged.
    Literal(String),
    /// Replaced by a value of the request.
    Atom(Atom),
}

/// A value of the request. Atoms of one letter and `{name}i` are gunicorn's; the words are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// `h`: the client's address, as the application sees it.
    Client,
    /// `l`: always a hyphen.
    Hyphen,
    /// `u`: the user name of Basic authentication.
    User,
    /// `t`: the time, `[06/Nov/1994:08:49:37 +0000]`.
    Time,
    /// `r`: the request line.
    RequestLine,
    /// `m`: the method.
    Method,
    /// `U`: the path without the query.
    Path,
    /// `q`: the query.
    Query,
    /// `H`: the protocol.
    Protocol,
    /// `s`: the status.
    Status,
    /// `colored`: the status in the colour of its class, for a terminal.
    ColoredStatus,
    /// `B`: bytes of the reply's body sent.
    BodyBytes,
    /// `b`: the same, a hyphen for 0.
    BodyBytesOrHyphen,
    /// `f`: the referer.
    Referer,
    /// `a`: the user agent.
    UserAgent,
    /// `T`: whole seconds from the first byte received to the last byte sent.
    Seconds,
    /// `M`: the same in whole milliseconds.
    Millis,
    /// `D`: the same in whole microseconds.
    Micros,
    /// `L`: the same in seconds, with six decimals.
    Fraction,
    /// `p`: the process id, `<123>`.
    Process,
    /// `{name}i`: a request header.
    Header(String),
    /// `head`, `body`, `queue`, `gil`, `app`, `app_cpu`, `flush`, `total`: a phase in seconds. Holds its index in
    /// `Phase::ALL`.
    Phase(usize),
    /// `end`: how the request ended.
    End,
    /// `reason`: the rule or deadline that ended the request.
    Rule,
    /// `worker`: the number of the worker that ran the request.
    Worker,
    /// `in`: bytes of the request received, head included.
    BytesIn,
    /// `out`: bytes of the reply sent, head included.
    BytesOut,
}

/// Why a format string is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(String);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

impl FromStr for AccessLogFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "json" => Ok(Self::Json),
            "combined" => pieces(COMBINED).map(Self::Text),
            _ => pieces(text).map(Self::Text),
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if let Some(tail) = behind.strip_prefix('%') {
            literal.push('%');
            rest = tail;
            continue;
        }
        let parts = behind.strip_prefix('(').and_then(|b| b.split_once(")s"));
        let Some((name, tail)) = parts else {
            let shown: String = rest[at..].chars().take(12).collect();
            return Err(FormatError(format!("expected %(NAME)s or %% at {shown:?}")));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Atom(atom(name)?));
        rest = tail;
    }
    literal.push_str(rest);
    if literal.contains(['\n', '\r']) {
        return Err(FormatError("a line cannot hold a line break".into()));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Atom(_))) {
        return Err(FormatError(format!(
            "expected `combined`, `json` or a text with %(NAME)s in it, got {text:?}"
        )));
    }
    Ok(pieces)
}

fn atom(name: &str) -> Result<Atom, FormatError> {
    if let Some(header) = name.strip_prefix('{').and_then(|n| n.strip_suffix("}i")) {
        return Ok(Atom::Header(header.to_ascii_lowercase()));
    }
    if let Some(index) = Phase::ALL.iter().position(|(_, phase)| *phase == name) {
        return Ok(Atom::Phase(index));
    }
    Ok(match name {
        "h" => Atom::Client,
        "l" => Atom::Hyphen,
        "u" => Atom::User,
        "t" => Atom::Time,
        "r" => Atom::RequestLine,
        "m" => Atom::Method,
        "U" => Atom::Path,
        "q" => Atom::Query,
        "H" => Atom::Protocol,
        "s" => Atom::Status,
        "colored" => Atom::ColoredStatus,
        "B" => Atom::BodyBytes,
        "b" => Atom::BodyBytesOrHyphen,
        "f" => Atom::Referer,
        "a" => Atom::UserAgent,
        "T" => Atom::Seconds,
        "M" => Atom::Millis,
        "D" => Atom::Micros,
        "L" => Atom::Fraction,
        "p" => Atom::Process,
        "end" => Atom::End,
        "reason" => Atom::Rule,
        "worker" => Atom::Worker,
        "in" => Atom::BytesIn,
        "out" => Atom::BytesOut,
        _ if name.ends_with("}o") || name.ends_with("}e") => {
            return Err(FormatError(format!(
                "%({name})s: response headers and environ variables are not kept for the log"
            )));
        }
        _ => return Err(FormatError(format!("there is no %({name})s"))),
    })
}

const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_atoms_alternate() {
        let parsed: AccessLogFormat = "100%% %(s)s in %(queue)s".parse().unwrap();
        let literal = |text: &str| Piece::Literal(text.into());
        let want = vec![
            literal("100% "),
            Piece::Atom(Atom::Status),
            literal(" in "),
            Piece::Atom(Atom::Phase(2)),
        ];
        assert_eq!(parsed, AccessLogFormat::Text(want));
        assert_eq!("json".parse(), Ok(AccessLogFormat::Json));
    }

    #[test]
    fn headers_are_named_in_any_case() {
        let parsed: AccessLogFormat = "%({X-Request-Id}i)s".parse().unwrap();
        let header = Piece::Atom(Atom::Header("x-request-id".into()));
        assert_eq!(parsed, AccessLogFormat::Text(vec![header]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_named() {
        for (text, says) in [
            ("%s", "%(NAME)s"),
            ("%(nothing)s", "nothing"),
            ("%({etag}o)s", "response headers"),
            ("%(s)s\n", "line break"),
            ("combind", "combined"),
            ("", "combined"),
        ] {
            let error = text.parse::<AccessLogFormat>().unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
