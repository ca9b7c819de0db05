//! Outbound messages.

use super::sent::*;
use crate::schemes::{Networks, Place, Salesforce, Token};
use crate::{ConfigError, Key, Refusal, Verdict, Verifier};

const ORGANIZATION: &str = "00D5e000000KQ2eEAG";

/// Names as in the WSDL, an organization as in published examples; written for this test.
pub(super) fn message(organization: &str, notifications: &[&str]) -> String {
    let notification = |id: &&str| {
        format!(
            r#"<Notification><Id>{id}</Id><sObject xsi:type="sf:Account" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
             <sf:Id>0015e00000ZkM3hAAF</sf:Id><sf:OrganizationId>00D000000000000EAA</sf:OrganizationId><sf:Name>A &amp; B</sf:Name>
             </sObject></Notification>"#
        )
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
        <soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{organization}</OrganizationId>
        <ActionId>04k5e000000CaRkAAK</ActionId><SessionId xsi:nil="true"/>{}</notifications></soapenv:Body></soapenv:Envelope>"#,
        notifications.iter().map(notification).collect::<String>()
    )
}

fn scheme() -> Salesforce {
    Salesforce::new(["00D5e000000KQ2e"]).expect("a scheme")
}

#[test]
fn the_organization_is_checked() {
    let right = message(ORGANIZATION, &["04l5e00000Gx7QzAAJ"]);
    let check = |body: &str| Sent::post(body).check(&scheme());
    assert_eq!(check(&right), Ok(Key::None));
    assert_eq!(Sent::post(&right).check(&Salesforce::new(["00D000000000000EAA", ORGANIZATION]).expect("two")), Ok(Key::None));
    let other = |organization: &str| message(organization, &["04l5e00000Gx7QzAAJ"]);
    for wrong in ["00D5e000000KQ2E", "00D5e000000KQ2eEAH", "00D5e000000KQ2e", "", " ", "00D5e000000KQ2eEAGx"] {
        assert_eq!(check(&other(wrong)), Err(Refusal::WrongOrganization), "{wrong}");
    }
}

#[test]
fn what_is_not_such_a_message_is_refused() {
    let right = message(ORGANIZATION, &["04l5e00000Gx7QzAAJ"]);
    let element = format!("<OrganizationId>{ORGANIZATION}</OrganizationId>");
    let check = |body: &str| Sent::post(body).check(&scheme());
    for spoiled in [
        right.replace(&element, ""),
        right.replace(&element, &element.repeat(2)),
        right.replace(&element, &format!("<x>{element}</x>")),
        right.replace(&element, &format!("<!--{element}-->")),
        right.replace(&element, &element.replace("00D", "<b/>00D")).replace("<b/>", "&#48;"),
        right.replace(&element, &element.replace(ORGANIZATION, &format!("<![CDATA[{ORGANIZATION}]]>"))),
        right.replace(&element, &element.replace("00D5", "00D<!---->5")),
        right.replace("http://soap.sforce.com/2005/09/outbound", "http://soap.sforce.com/2005/09/inbound"),
        right.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        right.replace("soapenv:Body", "soapenv:Header"),
        right.replace("</soapenv:Envelope>", ""),
        right.replace("?>", "?><!DOCTYPE x [<!ENTITY o \"00D\">]>"),
        format!("{right}{right}"),
        format!("{}{}", "<a>".repeat(100), "</a>".repeat(100)),
        r#"{"OrganizationId":"00D5e000000KQ2eEAG"}"#.to_owned(),
        String::new(),
    ] {
        assert!(matches!(check(&spoiled), Err(Refusal::MalformedBody(_))), "{spoiled}");
    }
    let many = |count: usize| (0..count).map(|at| format!(" xmlns:n{at}=\"u\"")).collect::<String>();
    let declaring = |count| right.replace("<ActionId>", &format!("<ActionId{}>", many(count)));
    // Three are in force around it.
    assert_eq!(check(&declaring(29)), Ok(Key::None));
    assert!(matches!(check(&declaring(30)), Err(Refusal::MalformedBody(_))));
    let mut latin = Sent::post(&right);
    latin.body.push(0xe4);
    assert!(matches!(latin.check(&scheme()), Err(Refusal::MalformedBody(_))));
}

#[test]
fn a_notification_alone_names_the_delivery() {
    let id = |notifications: &[&str]| Sent::post(&message(ORGANIZATION, notifications)).see(|r| Verifier::new(scheme()).delivery_id(r));
    assert_eq!(id(&["04l5e00000Gx7QzAAJ"]), Some("04l5e00000Gx7QzAAJ".into()));
    assert_eq!(id(&["04l5e00000Gx7QzAAJ", "04l5e00000Gx7R0AAJ"]), None);
    assert_eq!(id(&[]), None);
}

#[test]
fn salesforce_waits_for_its_ack() {
    let reply = Verifier::new(scheme()).acknowledgement().expect("an answer");
    assert_eq!((reply.status, reply.content_type), (200, "text/xml; charset=utf-8"));
    let text = String::from_utf8(reply.body).expect("text");
    assert!(
        text.contains(r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#)
    );
    assert_eq!(Verifier::new(Token::bearer(one("t"))).acknowledgement(), None);
}

/// The way to use it: the organization, a token in the address, and Salesforce's addresses.
#[test]
fn an_organization_is_not_enough() {
    let verifier = Verifier::new(scheme())
        .and(Token::at(Place::parameter("key").expect("a place"), one("k")))
        .from_networks(Networks::parse(["192.0.2.0/24"]).expect("networks"));
    let sent = Sent::post(&message(ORGANIZATION, &["04l5e00000Gx7QzAAJ"]));
    assert_eq!(sent.clone().asked("key=k").see(|request| verifier.verify(request)), Verdict::Accepted(Key::Current));
    assert!(!sent.see(|request| verifier.verify(request)).is_accepted());
}

#[test]
fn ids_of_organizations_are_checked() {
    assert!(Salesforce::new([ORGANIZATION]).is_ok());
    let refused = |text: &str| matches!(Salesforce::new([text]), Err(ConfigError::InvalidOption("organization", _)));
    for text in
        ["", "00D5e000000KQ2", "00D5e000000KQ2eE", "00D5e000000KQ2eEAH", "00D5e000000kQ2eEAG", "0015e00000ZkM3hAAF", "00D5e000000KQ2é"]
    {
        assert!(refused(text), "{text}");
    }
    assert!(Salesforce::new([]).is_err());
}
