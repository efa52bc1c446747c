//! The route of a request: its method, and the name that its framework has for it. Without a name it is the path,
//! with the parts folded that differ from request to request.

/// Method and name, such as `GET /orders/<int:pk>`; without a name what [`folded`] makes of the path.
pub(crate) fn route(method: &[u8], path: &[u8], name: Option<&str>) -> String {
    let Some(name) = name else {
        return folded(method, path);
    };
    let mut route = format!("{} ", method.escape_ascii());
    for c in name.chars().take(LONGEST) {
        match c {
            // Regular expressions are full of backslashes, which need no escape here.
            ' '..='~' => route.push(c),
            _ => route.extend(c.escape_unicode()),
        }
    }
    route
}

/// Method and path, such as `GET /orders/<int>`.
///
/// A segment of digits becomes `<int>`, a UUID `<uuid>`, sixteen or more hexadecimal digits `<hex>`. A path is
/// cut after [`SEGMENTS`] segments or [`LONGEST`] bytes, and shown in ASCII.
fn folded(method: &[u8], path: &[u8]) -> String {
    let mut route = format!("{} ", method.escape_ascii());
    let path = path.split(|b| *b == b'?').next().unwrap_or_default();
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = &path[..path.len().min(LONGEST)];
    for (n, segment) in path.split(|b| *b == b'/').enumerate() {
        route.push('/');
        if n == SEGMENTS {
            route.push_str("...");
            break;
        }
        match kind(segment) {
            Some(kind) => route.push_str(kind),
            None => route.push_str(&segment.escape_ascii().to_string()),
        }
    }
    route
}

fn kind(segment: &[u8]) -> Option<&'static str> {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let uuid = || {
        let parts = segment.split(|b| *b == b'-');
        let lengths = [8, 4, 4, 4, 12];
        parts.clone().map(<[u8]>::len).eq(lengths) && parts.into_iter().all(digits)
    };
    match segment {
        [] => None,
        _ if segment.iter().all(u8::is_ascii_digit) => Some("<int>"),
        _ if segment.len() == 36 && uuid() => Some("<uuid>"),
        _ if segment.len() >= 16 && digits(segment) => Some("<hex>"),
        _ => None,
    }
}

/// Segments of a path that are told apart.
const SEGMENTS: usize = 6;
/// Bytes of a path: whoever keeps routes bounds their number only.
const LONGEST: usize = 120;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, shown: &str) {
        assert_eq!(route(b"GET", path.as_bytes(), None), format!("GET {shown}"));
    }

    #[test]
    fn a_name_is_taken_as_it_is_in_ascii() {
        let named = |name| route(b"GET", b"/orders/17", Some(name));
        assert_eq!(named("/orders/<int:pk>"), "GET /orders/<int:pk>");
        assert_eq!(named(r"/y/(?P<y>\d{4})/"), r"GET /y/(?P<y>\d{4})/");
        assert_eq!(named("/caf\u{e9}\n"), "GET /caf\\u{e9}\\u{a}");
        assert_eq!(
            named(&"x".repeat(1000)),
            format!("GET {}", "x".repeat(LONGEST))
        );
    }

    #[test]
    fn what_differs_from_request_to_request_is_folded() {
        check("/", "/");
        check("/orders/", "/orders/");
        check("/orders/17/lines/3", "/orders/<int>/lines/<int>");
        check("/u/6f1c2a52-1d2e-4b3c-8a9b-0c1d2e3f4a5b", "/u/<uuid>");
        check(
            "/u/6f1c2a52-1d2e-4b3c-8a9b-0c1d2e3f4a5",
            "/u/6f1c2a52-1d2e-4b3c-8a9b-0c1d2e3f4a5",
        );
        check("/blob/0123456789abcdef", "/blob/<hex>");
        check("/blob/decade", "/blob/decade");
        check("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/...");
        check("/caf\u{e9}", "/caf\\xc3\\xa9");
        check("*", "/*");
        check(&"x".repeat(1000), &format!("/{}", "x".repeat(LONGEST)));
    }
}
