//! From the XML of a packet to its properties: the part of RDF that XMP allows (ISO 16684-1, 7).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::mem;

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{LocalName, QName, ResolveResult};

use super::namespace::{RDF, XML, prefix_of};

/// Elements are not followed deeper than this. Real packets have fifteen levels at most.
const MAX_DEPTH: usize = 64;

/// The most elements and attributes of a packet: these, and one for each 32 bytes, up to [`MAX_NODES`].
const SPARE_NODES: usize = 2_000;
const MAX_NODES: usize = 20_000;

/// What is left out: settings of a raw developer, and steps of editing. They are many, and say nothing of the picture itself.
const LEFT_OUT: [&str; 3] = ["crs:", "crd:", "xmpMM:History"];

/// A name with the customary prefix of its namespace: `dc:title`.
pub type Name = String;

/// The value of a property, a field or an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Text(String),
    /// Alternatives, each with its language.
    Alternatives(Vec<(Option<String>, Node)>),
    /// A Bag or a Seq.
    Items(Vec<Node>),
    Fields(BTreeMap<Name, Node>),
}

/// The properties of a packet, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Tree {
    pub properties: BTreeMap<Name, Node>,
    pub damage: Option<String>,
}

/// Reads a packet. What comes before damage is kept.
pub fn parse(packet: &str) -> Tree {
    let mut reader = NsReader::from_str(packet);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk {
        reader,
        depth: 0,
        nodes_left: (SPARE_NODES + packet.len() / 32).min(MAX_NODES),
        tree: Tree::default(),
    };
    walk.packet();
    walk.tree
}

struct Walk<'a> {
    reader: NsReader<&'a [u8]>,
    depth: usize,
    nodes_left: usize,
    tree: Tree,
}

/// What comes next.
enum Step<'a> {
    Start(Element),
    Text(Cow<'a, str>),
    End,
    /// The packet has ended, or is damaged.
    Over,
}

struct Element {
    kind: Kind,
    name: Name,
    /// `xml:lang`.
    language: Option<String>,
    /// `rdf:resource`, a value in short form.
    resource: Option<String>,
    /// Attributes that are properties or fields in short form.
    fields: Vec<(Name, Node)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Description,
    Alternatives,
    /// A Bag or a Seq.
    List,
    /// `rdf:value`: the value of a property that has qualifiers.
    Value,
    Other,
}

impl<'a> Walk<'a> {
    /// Properties are in descriptions, wherever these are: in `rdf:RDF`, which may be in `x:xmpmeta`.
    fn packet(&mut self) {
        loop {
            match self.step() {
                Step::Start(element) if element.kind == Kind::Description => {
                    for (name, value) in element.fields {
                        self.add(name, value);
                    }
                    self.description();
                }
                Step::Over => return,
                Step::Start(_) | Step::Text(_) | Step::End => {}
            }
        }
    }

    /// The properties of a description, up to its end.
    fn description(&mut self) {
        loop {
            match self.step() {
                Step::Start(mut element) => {
                    let name = mem::take(&mut element.name);
                    if is_left_out(&name) {
                        self.skip();
                    } else if let Some(value) = self.value(element) {
                        self.add(name, value);
                    }
                }
                Step::Text(_) => {}
                Step::End | Step::Over => return,
            }
        }
    }

    /// Goes to the end of an element that has begun.
    fn skip(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.step() {
                Step::Start(_) => depth += 1,
                Step::End => depth -= 1,
                Step::Text(_) => {}
                Step::Over => return,
            }
        }
    }

    /// Of a property that occurs twice, the first value counts.
    fn add(&mut self, name: Name, value: Node) {
        self.tree.properties.entry(name).or_insert(value);
    }

    /// The value of an element that has begun, up to its end. `None` if it has none.
    fn value(&mut self, element: Element) -> Option<Node> {
        let mut text = element.resource.unwrap_or_default();
        let mut fields: BTreeMap<Name, Node> = element.fields.into_iter().collect();
        let mut whole = None;
        self.content(&mut text, &mut fields, &mut whole);
        if whole.is_some() {
            return whole;
        }
        // Qualifiers of a text are no fields.
        if !text.trim().is_empty() {
            return Some(Node::Text(text.trim().to_owned()));
        }
        (!fields.is_empty()).then_some(Node::Fields(fields))
    }

    fn content(&mut self, text: &mut String, fields: &mut BTreeMap<Name, Node>, whole: &mut Option<Node>) {
        loop {
            let mut element = match self.step() {
                Step::Text(more) => {
                    // Most texts are blanks between elements.
                    if !text.is_empty() || !more.trim().is_empty() {
                        text.push_str(&more);
                    }
                    continue;
                }
                Step::Start(element) => element,
                Step::End | Step::Over => return,
            };
            match element.kind {
                Kind::Alternatives => *whole = Some(Node::Alternatives(self.items(|language, node| (language, node)))),
                Kind::List => *whole = Some(Node::Items(self.items(|_, node| node))),
                // The fields of a structure, in long form.
                Kind::Description => {
                    fields.extend(element.fields);
                    self.content(text, fields, whole);
                }
                Kind::Value => *whole = self.value(element),
                Kind::Other => {
                    let name = mem::take(&mut element.name);
                    if let Some(value) = self.value(element) {
                        fields.entry(name).or_insert(value);
                    }
                }
            }
        }
    }

    /// The items of an array, up to its end: what is made of each language and value.
    fn items<T>(&mut self, item: impl Fn(Option<String>, Node) -> T) -> Vec<T> {
        let mut items = Vec::new();
        loop {
            match self.step() {
                Step::Start(mut element) => {
                    let language = element.language.take();
                    if let Some(value) = self.value(element) {
                        items.push(item(language, value));
                    }
                }
                Step::Text(_) => {}
                Step::End | Step::Over => return items,
            }
        }
    }

    fn step(&mut self) -> Step<'a> {
        while self.tree.damage.is_none() {
            match self.event() {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(damage) => self.tree.damage = Some(damage),
            }
        }
        Step::Over
    }

    /// `None`: an event without meaning here. `Err` says why the rest of the packet cannot be read.
    fn event(&mut self) -> Result<Option<Step<'a>>, String> {
        Ok(Some(match self.reader.read_event().map_err(described)? {
            Event::Start(start) => {
                self.depth += 1;
                self.nodes_left = self.nodes_left.checked_sub(1).ok_or("it has too many parts")?;
                if self.depth > MAX_DEPTH {
                    return Err("its elements are too deep".to_owned());
                }
                Step::Start(self.element(&start)?)
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Step::End
            }
            Event::Text(text) => Step::Text(text.decode().map_err(described)?),
            Event::CData(text) => Step::Text(text.decode().map_err(described)?),
            Event::GeneralRef(reference) => Step::Text(referred(&reference).into()),
            Event::DocType(_) => return Err("it has a document type, which XMP does not allow".to_owned()),
            Event::Eof => Step::Over,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => return Ok(None),
        }))
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Element, String> {
        let resolver = self.reader.resolver();
        let (namespace, local) = resolver.resolve_element(start.name());
        let kind = match local.as_ref() {
            _ if !is(&namespace, RDF) => Kind::Other,
            b"Description" => Kind::Description,
            b"Alt" => Kind::Alternatives,
            b"Bag" | b"Seq" => Kind::List,
            b"value" => Kind::Value,
            _ => Kind::Other,
        };
        let mut element = Element {
            kind,
            name: name(&namespace, start.name(), local),
            language: None,
            resource: None,
            fields: Vec::new(),
        };
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(described)?;
            let (namespace, local) = resolver.resolve_attribute(attribute.key);
            let value = || unescaped(&attribute.value);
            match local.as_ref() {
                b"lang" if is(&namespace, XML) => element.language = Some(value()),
                b"resource" if is(&namespace, RDF) => element.resource = Some(value()),
                _ if is(&namespace, RDF) || is(&namespace, XML) => {}
                _ if attribute.key.as_namespace_binding().is_some() => {}
                // An attribute without a namespace is no property.
                _ if attribute.key.prefix().is_none() => {}
                _ => {
                    self.nodes_left = self.nodes_left.checked_sub(1).ok_or("it has too many parts")?;
                    let name = name(&namespace, attribute.key, local);
                    if is_left_out(&name) {
                        continue;
                    }
                    let value = value();
                    if !value.trim().is_empty() {
                        element.fields.push((name, Node::Text(value.trim().to_owned())));
                    }
                }
            }
        }
        Ok(element)
    }
}

/// The value of an attribute. An entity that nobody defines stays as it is.
fn unescaped(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    match quick_xml::escape::unescape_with(&raw, resolve_predefined_entity) {
        Ok(value) => value.into_owned(),
        Err(_) => raw.into_owned(),
    }
}

fn described(error: impl Error) -> String {
    error.to_string()
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|start| name.starts_with(start))
}

fn is(namespace: &ResolveResult<'_>, uri: &str) -> bool {
    matches!(namespace, ResolveResult::Bound(found) if found.as_ref() == uri.as_bytes())
}

/// A name with the customary prefix of its namespace, or with that of the packet.
pub fn name(namespace: &ResolveResult<'_>, whole: QName<'_>, local: LocalName<'_>) -> Name {
    let local = String::from_utf8_lossy(local.as_ref());
    let known = match namespace {
        ResolveResult::Bound(uri) => std::str::from_utf8(uri.as_ref()).ok().and_then(prefix_of),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
    };
    match (known, whole.prefix()) {
        (Some(prefix), _) => [prefix, ":", &local].concat(),
        (None, Some(prefix)) => [&String::from_utf8_lossy(prefix.as_ref()), ":", &local].concat(),
        (None, None) => local.into_owned(),
    }
}

/// What a reference stands for. One that is not defined stays as it is: there is no document type that could define it.
fn referred(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name = String::from_utf8_lossy(reference);
    resolve_predefined_entity(&name).map_or_else(|| format!("&{name};"), str::to_owned)
}
