//! Salesforce outbound messages: SOAP without a signature. The message names its organization, which is checked.
//!
//! The organization's id is no secret, and an address of Salesforce is every customer's: use a token in the address beside it, and
//! [`crate::Verifier::from_networks`] with Salesforce's ranges; the server may ask for the client certificate on top.
//! A delivery holds up to 100 notifications and is sent again, perhaps grouped otherwise, until `Ack` comes back: de-duplicate by
//! `Notification/Id`. The delivery's id is that of its only notification; with several there is none.
//! Sources: <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_security.htm>,
//! <https://developer.salesforce.com/docs/platform/api/guide/sforce-api-om-outboundmessaging-wsdl.html>.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use crate::digest::secure_compare;
use crate::document::id;
use crate::error::ConfigError;
use crate::reply::Reply;
use crate::request::Request;
use crate::verdict::{Key, Refusal};

use super::organization::Organization;
use super::scheme::Scheme;

const SOAP: &[u8] = b"http://schemas.xmlsoap.org/soap/envelope/";
const OUTBOUND: &[u8] = b"http://soap.sforce.com/2005/09/outbound";
const MOST_DEPTH: usize = 32;
/// A notification is an `Id` and an object of some hundred fields; a message has at most 100 of them.
const MOST_EVENTS: usize = 1_000_000;
/// Namespaces in force at once. Every name is looked for among them, and nothing has proven the sender yet.
const MOST_NAMESPACES: usize = 32;

const ACK: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>"#,
    r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#,
    r#"</soapenv:Body></soapenv:Envelope>"#,
);

#[derive(Debug, Clone)]
pub struct Salesforce {
    organizations: Vec<Organization>,
}

impl Salesforce {
    /// Ids of 15 or 18 characters, at least one: production and sandboxes have each their own.
    ///
    /// # Errors
    /// `InvalidOption`.
    pub fn new<'a>(organizations: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let organizations = organizations.into_iter().map(Organization::parse).collect::<Result<Vec<_>, _>>()?;
        match organizations.is_empty() {
            true => Err(ConfigError::InvalidOption("organization", "is missing")),
            false => Ok(Salesforce { organizations }),
        }
    }
}

/// What a message says of itself.
#[derive(Default)]
struct Message {
    organizations: Vec<String>,
    notifications: Vec<String>,
}

/// Where the reader stands, as far as it matters. Everything else is `Other`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Envelope,
    Body,
    Notifications,
    OrganizationId,
    Notification,
    NotificationId,
    Other,
}

/// The step into an element. Names count only at their place: an `OrganizationId` within an object is data.
fn step(path: &[Step], namespace: &ResolveResult<'_>, name: &[u8]) -> Step {
    let ResolveResult::Bound(Namespace(namespace)) = *namespace else { return Step::Other };
    match (path, namespace, name) {
        ([], SOAP, b"Envelope") => Step::Envelope,
        ([Step::Envelope], SOAP, b"Body") => Step::Body,
        ([Step::Envelope, Step::Body], OUTBOUND, b"notifications") => Step::Notifications,
        ([_, _, Step::Notifications], OUTBOUND, b"OrganizationId") => Step::OrganizationId,
        ([_, _, Step::Notifications], OUTBOUND, b"Notification") => Step::Notification,
        ([_, _, _, Step::Notification], OUTBOUND, b"Id") => Step::NotificationId,
        _ => Step::Other,
    }
}

fn read(body: &[u8]) -> Result<Message, Refusal> {
    let malformed = Refusal::MalformedBody("is not an outbound message");
    let text = std::str::from_utf8(body).map_err(|_| malformed.clone())?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut message, mut path, mut roots) = (Message::default(), Vec::new(), 0);
    let mut namespaces: Vec<usize> = Vec::new();
    for _ in 0..MOST_EVENTS {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| malformed.clone())?;
        match event {
            Event::Start(element) if path.len() < MOST_DEPTH => {
                let step = step(&path, &namespace, element.local_name().as_ref());
                roots += usize::from(path.is_empty());
                match step {
                    Step::OrganizationId => message.organizations.push(String::new()),
                    Step::NotificationId => message.notifications.push(String::new()),
                    _ => {}
                }
                path.push(step);
                namespaces.push(namespaces.last().unwrap_or(&0) + declared(&element));
                if namespaces.last() > Some(&MOST_NAMESPACES) {
                    return Err(malformed);
                }
            }
            Event::End(_) if !path.is_empty() => {
                path.pop();
                namespaces.pop();
            }
            Event::Text(text) => {
                let target = match path.last() {
                    Some(Step::OrganizationId) => message.organizations.last_mut(),
                    Some(Step::NotificationId) => message.notifications.last_mut(),
                    _ => None,
                };
                if let Some(target) = target {
                    target.push_str(std::str::from_utf8(&text).map_err(|_| malformed.clone())?);
                }
            }
            // An id is plain text: what would have to be put together from references, sections or comments is none.
            Event::GeneralRef(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) if in_id(&path) => return Err(malformed),
            Event::DocType(_) | Event::Start(_) | Event::End(_) => return Err(malformed),
            Event::Eof if path.is_empty() && roots == 1 => return Ok(message),
            Event::Eof => return Err(malformed),
            _ => {}
        }
    }
    Err(malformed)
}

/// How many namespaces an element declares.
fn declared(element: &BytesStart<'_>) -> usize {
    let mut attributes = element.attributes();
    let names = attributes.with_checks(false).map_while(Result::ok).map(|attribute| attribute.key);
    names.filter(|name| name.as_namespace_binding().is_some()).count()
}

fn in_id(path: &[Step]) -> bool {
    matches!(path.last(), Some(Step::OrganizationId | Step::NotificationId))
}

impl Scheme for Salesforce {
    fn name(&self) -> &'static str {
        "salesforce"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let message = read(request.body)?;
        let [organization] = message.organizations.as_slice() else {
            return Err(Refusal::MalformedBody("does not name exactly one organization"));
        };
        let given = organization.as_bytes();
        let known = self.organizations.iter().fold(false, |known, ours| known | secure_compare(ours.bytes(), given));
        match known {
            true => Ok(Key::None),
            false => Err(Refusal::WrongOrganization),
        }
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        match read(request.body).ok()?.notifications.as_slice() {
            [only] => id(Some(only.clone())),
            _ => None,
        }
    }

    fn acknowledgement(&self) -> Option<Reply> {
        Some(Reply::xml(ACK))
    }
}
