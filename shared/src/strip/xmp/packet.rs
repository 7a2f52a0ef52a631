use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use crate::metadata::xmp::Node;
use crate::metadata::xmp::namespace::{PREFIXES, RDF};

const START: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>";
const END: &str = "<?xpacket end=\"w\"?>";

type Out = Writer<Vec<u8>>;

/// A packet with these properties and with `more` elements alone. Names without a known namespace are left out.
///
/// # Panics
///
/// Never: memory can be written.
pub fn packet<'a>(properties: impl IntoIterator<Item = (&'a str, &'a Node)>, more: &str) -> Vec<u8> {
    let properties = properties.into_iter().filter(|(name, _)| is_known(name));
    // Some readers of gain maps look at attributes alone.
    let (texts, others): (Vec<_>, Vec<_>) = properties.partition(|(_, node)| matches!(node, Node::Text(_)));
    let mut out = Writer::new(START.as_bytes().to_vec());
    let written = out
        .create_element("x:xmpmeta")
        .with_attribute(("xmlns:x", "adobe:ns:meta/"));
    let written = written.write_inner_content(|out| {
        let rdf = out.create_element("rdf:RDF").with_attribute(("xmlns:rdf", RDF));
        rdf.write_inner_content(|out| {
            let mut description = out.create_element("rdf:Description").with_attribute(("rdf:about", ""));
            for (uri, prefix) in namespaces(texts.iter().chain(&others)) {
                description = description.with_attribute((format!("xmlns:{prefix}").as_str(), uri));
            }
            for (name, node) in &texts {
                description = description.with_attribute((*name, node.text().unwrap_or_default()));
            }
            description.write_inner_content(|out| {
                for (name, node) in &others {
                    property(out, name, node)?;
                }
                out.write_event(Event::Text(BytesText::from_escaped(more)))
            })?;
            Ok(())
        })?;
        Ok(())
    });
    written.expect("memory can be written");
    let mut packet = out.into_inner();
    packet.extend_from_slice(END.as_bytes());
    packet
}

fn is_known(name: &str) -> bool {
    name.split_once(':')
        .is_some_and(|(prefix, _)| PREFIXES.iter().any(|(_, known)| *known == prefix))
}

/// The namespaces of properties and of the fields below them, each once.
fn namespaces<'a>(properties: impl Iterator<Item = &'a (&'a str, &'a Node)>) -> Vec<(&'static str, &'static str)> {
    let mut names = Vec::new();
    for (name, node) in properties {
        names.push(*name);
        add_names(node, &mut names);
    }
    let is_used = |prefix: &str| names.iter().any(|name| name.split(':').next() == Some(prefix));
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (uri, prefix) in PREFIXES {
        if is_used(prefix) && !found.iter().any(|(_, known)| *known == prefix) {
            found.push((uri, prefix));
        }
    }
    found
}

fn add_names<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    match node {
        Node::Text(_) => {}
        Node::Alternatives(items) => items.iter().for_each(|(_, item)| add_names(item, names)),
        Node::Items(items) => items.iter().for_each(|item| add_names(item, names)),
        Node::Fields(fields) => {
            for (name, field) in fields {
                names.push(name);
                add_names(field, names);
            }
        }
    }
}

fn property(out: &mut Out, name: &str, node: &Node) -> io::Result<()> {
    let mut element = out.create_element(name);
    if matches!(node, Node::Fields(_)) {
        element = element.with_attribute(("rdf:parseType", "Resource"));
    }
    element.write_inner_content(|out| content(out, node))?;
    Ok(())
}

fn content(out: &mut Out, node: &Node) -> io::Result<()> {
    match node {
        Node::Text(text) => out.write_event(Event::Text(BytesText::new(text)))?,
        Node::Alternatives(items) => {
            out.create_element("rdf:Alt").write_inner_content(|out| {
                for (language, item) in items {
                    let language = language.as_deref().unwrap_or("x-default");
                    let element = out.create_element("rdf:li").with_attribute(("xml:lang", language));
                    element.write_inner_content(|out| content(out, item))?;
                }
                Ok(())
            })?;
        }
        Node::Items(items) => {
            out.create_element("rdf:Seq")
                .write_inner_content(|out| items.iter().try_for_each(|item| property(out, "rdf:li", item)))?;
        }
        Node::Fields(fields) => {
            let known = fields.iter().filter(|(name, _)| is_known(name));
            known
                .into_iter()
                .try_for_each(|(name, field)| property(out, name, field))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metadata::warnings::Warnings;
    use crate::metadata::xmp::read;

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        let text = |text: &str| Node::Text(text.to_owned());
        let owner = BTreeMap::from([("plus:CopyrightOwnerName".to_owned(), text("A & \"B\""))]);
        let properties = BTreeMap::from([
            ("dc:creator".to_owned(), Node::Items(vec![text("Ann"), text("<Bob>")])),
            (
                "dc:rights".to_owned(),
                Node::Alternatives(vec![
                    (Some("x-default".to_owned()), text("all")),
                    (Some("de".to_owned()), text("alle")),
                ]),
            ),
            ("photoshop:Credit".to_owned(), text("\"C\" & D")),
            ("plus:CopyrightOwner".to_owned(), Node::Items(vec![Node::Fields(owner)])),
        ]);
        let unknown = ("own:name".to_owned(), text("x"));
        let all = properties.iter().chain([(&unknown.0, &unknown.1)]);
        let packet = packet(all.map(|(name, node)| (name.as_str(), node)), "");
        let mut warnings = Warnings::default();
        let found = read(&[packet.into()], &mut warnings).unwrap();
        assert_eq!(found.properties, properties);
        assert_eq!(warnings.into_vec(), [""; 0]);
    }
}
