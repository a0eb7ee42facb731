//! Which methods are called over HTTP, and how: read from their definition.

use http::Method;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::Error;
use crate::problem::Problem;
use crate::request::REVISION;

/// The option of a method.
const OPTION: &str = "angarium.rest.v1.route";
/// The longest path, in bytes: far beyond every one there is.
const MAX_PATH_BYTES: usize = 2_048;

/// Why a route cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Method and path are not written so.
    #[error("{0:?} is no method and path")]
    Written(String),
    /// There is no such field.
    #[error("{message} has no field {field}")]
    NoField {
        /// Of which message.
        message: String,
        /// The field.
        field: String,
    },
}

/// All routes.
#[derive(Debug)]
pub(crate) struct Table(Vec<Route>);

/// A method as it is called over HTTP.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    segments: Vec<Segment>,
    pub(crate) body: Body,
    /// The field that is answered, or all.
    pub(crate) answers: Option<FieldDescriptor>,
    /// As gRPC calls it.
    pub(crate) path: String,
    /// As the description calls it, if not by its method.
    pub(crate) name: Option<String>,
    pub(crate) rpc: MethodDescriptor,
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    /// Whether it makes something that was not there.
    pub(crate) creates: bool,
}

#[derive(Debug)]
enum Segment {
    Text(String),
    /// A field of the request, by the fields that lead to it.
    Field(Vec<FieldDescriptor>),
}

/// What the body of a request is.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    /// All that is not in the path.
    All,
    Field(FieldDescriptor),
}

/// A route that was found, and what its path holds.
#[derive(Debug)]
pub(crate) struct Found<'t> {
    pub(crate) route: &'t Route,
    /// By the fields that lead there.
    pub(crate) given: Vec<(&'t [FieldDescriptor], String)>,
}

impl Table {
    /// # Errors
    /// When a route cannot be.
    pub(crate) fn of(pool: &DescriptorPool) -> Result<Self, Error> {
        let Some(option) = pool.get_extension_by_name(OPTION) else {
            return Ok(Self(Vec::new()));
        };
        let mut all = Vec::new();
        for service in pool.services() {
            for method in service.methods() {
                let options = method.options();
                let routes = options.get_extension(&option);
                for route in routes.as_list().unwrap_or_default() {
                    let route = route.as_message().map(|route| Route::of(&method, route));
                    all.extend(route.transpose().map_err(|why| Error::Route {
                        method: method.full_name().to_owned(),
                        why,
                    })?);
                }
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// Which route a request takes.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Found<'_>, Problem> {
        if path.len() > MAX_PATH_BYTES {
            return Err(Problem::no_such_path());
        }
        let there: Vec<_> = self
            .0
            .iter()
            .filter_map(|route| Some((route, route.matches(path)?)))
            .collect();
        let allowed: Vec<&Method> = there.iter().map(|(route, _)| &route.method).collect();
        if allowed.is_empty() {
            return Err(Problem::no_such_path());
        }
        let refused = Problem::method(method, &allowed);
        let found = there.into_iter().find(|(route, _)| route.method == *method);
        let (route, given) = found.ok_or(refused)?;
        Ok(Found { route, given })
    }
}

impl Route {
    fn of(method: &MethodDescriptor, option: &DynamicMessage) -> Result<Self, Unusable> {
        let text = |name: &str| {
            let value = option.get_field_by_name(name);
            value
                .as_deref()
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (on, body, answers) = (text("on"), text("body"), text("answers"));
        let name = Some(text("name")).filter(|name| !name.is_empty());
        let (input, output) = (method.input(), method.output());
        let (verb, path) = on.split_once(' ').ok_or_else(|| Unusable::Written(on.clone()))?;
        let segments = path.split('/').skip(1).map(|segment| {
            let field = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            field.map_or_else(
                || Ok(Segment::Text(segment.to_owned())),
                |path| fields(&input, path).map(Segment::Field),
            )
        });
        Ok(Self {
            method: verb.parse().map_err(|_none| Unusable::Written(on.clone()))?,
            segments: segments.collect::<Result<_, _>>()?,
            body: match body.as_str() {
                "" => Body::None,
                "*" => Body::All,
                name => Body::Field(field(&input, name)?),
            },
            answers: (!answers.is_empty())
                .then(|| field(&output, &answers))
                .transpose()?,
            path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
            name,
            rpc: method.clone(),
            creates: method.name().starts_with("Create"),
            input,
            output,
        })
    }

    /// The path, what it holds of the request in braces.
    pub(crate) fn template(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Text(text) => format!("/{text}"),
            Segment::Field(fields) => {
                let name = fields.last().map(FieldDescriptor::json_name);
                format!("/{{{}}}", name.unwrap_or_default())
            }
        });
        segments.collect()
    }

    /// What the path holds of the request.
    pub(crate) fn fields_of_path(&self) -> impl Iterator<Item = &FieldDescriptor> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(fields) => fields.last(),
            Segment::Text(_) => None,
        })
    }

    /// The service that has the method.
    pub(crate) fn service(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// Whether it is about what belongs to the platform, where the same method is called for an account too.
    pub(crate) fn is_of_platform(&self) -> bool {
        let names = |name: &str| matches!(self.segments.get(1), Some(Segment::Text(text)) if text == name);
        names("keys") || names("event-types") || names("audit-log")
    }

    /// Whether a request may depend on a revision.
    pub(crate) fn may_depend_on_revision(&self) -> bool {
        let has = |of: &MessageDescriptor| of.get_field_by_name(REVISION).is_some();
        let in_body = || match &self.body {
            Body::Field(body) => matches!(body.kind(), Kind::Message(of) if has(&of)),
            Body::None | Body::All => false,
        };
        has(&self.input) || (!self.creates && in_body())
    }

    /// Whether an answer tells one.
    pub(crate) fn has_revision(&self) -> bool {
        let has = |kind: Kind| matches!(kind, Kind::Message(of) if of.get_field_by_name(REVISION).is_some());
        match &self.answers {
            Some(field) => has(field.kind()),
            None => self
                .output
                .fields()
                .any(|field| !field.is_list() && has(field.kind())),
        }
    }

    /// Whether the path names the thing by the field of this name.
    pub(crate) fn names_by(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Field(fields) => fields.last().is_some_and(|last| last.name() == name),
            Segment::Text(_) => false,
        })
    }

    /// What the path holds of the request, if it is of this route.
    fn matches(&self, path: &str) -> Option<Vec<(&[FieldDescriptor], String)>> {
        let mut given = Vec::new();
        let mut segments = self.segments.iter();
        for part in path.strip_prefix('/')?.split('/') {
            match segments.next()? {
                Segment::Text(text) if text == part => {}
                Segment::Text(_) => return None,
                Segment::Field(fields) if !part.is_empty() => given.push((fields.as_slice(), decoded(part)?)),
                Segment::Field(_) => return None,
            }
        }
        segments.next().is_none().then_some(given)
    }
}

/// A part of a path, without its `%`; `None` if that is no text.
fn decoded(part: &str) -> Option<String> {
    let part = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(part.as_bytes());
    let (text, _) = pairs.next()?;
    (!text.contains(char::REPLACEMENT_CHARACTER)).then(|| text.into_owned())
}

fn field(of: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, Unusable> {
    of.get_field_by_name(name).ok_or_else(|| Unusable::NoField {
        message: of.full_name().to_owned(),
        field: name.to_owned(),
    })
}

/// The fields that lead to one, such as `webhook.id`.
fn fields(of: &MessageDescriptor, path: &str) -> Result<Vec<FieldDescriptor>, Unusable> {
    let mut at = Some(of.clone());
    let mut all = Vec::new();
    for name in path.split('.') {
        let message = at.take().ok_or_else(|| Unusable::Written(path.to_owned()))?;
        let found = field(&message, name)?;
        if let Kind::Message(inner) = found.kind() {
            at = Some(inner);
        }
        all.push(found);
    }
    Ok(all)
}
