//! A complete reply that needs no worker: of the health check and of the admin endpoint.

use std::borrow::Cow;

use headwaiter_http::ReplyHead;

/// Status, type and body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Cow<'static, [u8]>,
    /// More field lines, each with its CRLF.
    pub(crate) fields: &'static [u8],
}

impl Answer {
    /// Plain text.
    pub(crate) fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    pub(crate) fn new(
        status: u16,
        content_type: &'static str,
        body: impl Into<Cow<'static, str>>,
    ) -> Self {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self {
            status,
            content_type,
            body,
            fields: b"",
        }
    }

    /// The head, without the fields that depend on the request.
    pub(crate) fn head(&self) -> ReplyHead {
        let mut head = ReplyHead::new();
        let status = format!("{} {}", self.status, reason(self.status));
        let complete = head
            .begin(status.as_bytes())
            .and_then(|()| head.field(b"Content-Type", self.content_type.as_bytes()));
        debug_assert!(complete.is_ok(), "a status and a field of our own");
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        500 => "Internal Server Error",
        _ => "Service Unavailable",
    }
}
