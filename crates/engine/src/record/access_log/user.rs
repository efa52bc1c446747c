//! The user name in a request of Basic authentication (RFC 7617).

use headwaiter_http::Head;

/// The user name of `Authorization: Basic` (RFC 7617), never the password. Only the first [`USER_TOKEN`]
/// characters are decoded; a longer name counts as no user.
pub(super) fn user(head: &Head) -> Option<Vec<u8>> {
    let value = head.field("authorization")?;
    let (scheme, token) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = base64(&token[..token.len().min(USER_TOKEN)])?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[..colon].to_vec())
}

/// Decodes standard base64; `None` if `text` is not valid base64.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut have) = (0_u32, 0);
    for &byte in text.trim_ascii().iter().take_while(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}

/// Characters of base64 within which a user name must end.
const USER_TOKEN: usize = 512;

#[cfg(test)]
mod tests {
    use headwaiter_http::HeadLimits;

    use super::*;

    #[test]
    fn passwords_and_other_schemes_are_not_users() {
        for (field, want) in [
            ("Basic YWxpY2U6c2VjcmV0", Some("alice")),
            ("basic YSBiOg==", Some("a b")),
            ("Basic OnNlY3JldA==", Some("")),
            ("Bearer YWxpY2U6c2VjcmV0", None),
            ("Basic !!", None),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {field}\r\n\r\n");
            let mut head = Head::new();
            let limits = HeadLimits {
                size: 4096,
                fields: 64,
            };
            let parsed = head.parse(text.as_bytes(), &mut 0, limits);
            assert!(parsed.unwrap().is_some());
            assert_eq!(user(&head).as_deref(), want.map(str::as_bytes), "{field}");
        }
    }
}
