//! Answers that a sender waits for.

/// An HTTP answer. Send it with `X-Content-Type-Options: nosniff`: some of it comes from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(body: String) -> Self {
        Reply { status: 200, content_type: "text/plain; charset=utf-8", body: body.into_bytes() }
    }

    pub(crate) fn xml(body: &'static str) -> Self {
        Reply { status: 200, content_type: "text/xml; charset=utf-8", body: body.as_bytes().to_vec() }
    }
}
