//! What a source asks of a request: one scheme, or several that must all agree.

use std::sync::Arc;

use crate::reply::Reply;
use crate::request::Request;
use crate::schemes::{Networks, Scheme};
use crate::verdict::{Key, Refusal, Verdict};

/// The check of one source. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    networks: Option<Networks>,
    schemes: Vec<Arc<dyn Scheme>>,
}

impl Verifier {
    pub fn new(scheme: impl Scheme + 'static) -> Self {
        Verifier { networks: None, schemes: vec![Arc::new(scheme)] }
    }

    /// Asks for one more scheme. All of them must accept.
    #[must_use]
    pub fn and(mut self, scheme: impl Scheme + 'static) -> Self {
        self.schemes.push(Arc::new(scheme));
        self
    }

    /// Lets only these addresses in. Looked at first, also before a handshake.
    #[must_use]
    pub fn from_networks(mut self, networks: Networks) -> Self {
        self.networks = Some(networks);
        self
    }

    pub fn verify(&self, request: &Request<'_>) -> Verdict {
        match self.key(request, None) {
            Ok(key) => Verdict::Accepted(key),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// The sender's id of this delivery, the same when it is sent again. Only of a request that was accepted.
    ///
    /// None when the scheme has none, or when what is there is not exactly one id of at most 256 visible characters. Shopify's and
    /// GitHub's ids stand in headers that the signature does not cover: who replays a captured request can change them.
    pub fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        self.schemes.iter().find_map(|scheme| scheme.delivery_id(request))
    }

    /// What to answer when the request only tries out the address. None: it is a delivery, or means to be one.
    ///
    /// # Errors
    /// Within the option: it is a handshake, and refused.
    pub fn handshake(&self, request: &Request<'_>) -> Option<Result<Reply, Refusal>> {
        let answers = self.schemes.iter().enumerate();
        let (asked, answer) = answers.filter_map(|(at, scheme)| Some((at, scheme.handshake(request)?))).next()?;
        // The scheme that was asked has decided for itself; the others hold here too, as does a token in the address.
        Some(self.key(request, Some(asked)).and(answer))
    }

    /// What the sender must hear once the delivery is durable; None when the status alone says it.
    pub fn acknowledgement(&self) -> Option<Reply> {
        self.schemes.iter().find_map(|scheme| scheme.acknowledgement())
    }

    fn key(&self, request: &Request<'_>, without: Option<usize>) -> Result<Key, Refusal> {
        let mut used = self.networks.as_ref().map_or(Ok(Key::None), |networks| networks.verify(request))?;
        for (_, scheme) in self.schemes.iter().enumerate().filter(|(at, _)| Some(*at) != without) {
            used = used.max(scheme.verify(request)?);
        }
        Ok(used)
    }
}
