//! Query strings that name a parameter that there is not are refused: misspelt and passed over, it would ask for
//! something else, as a cancel of a part for a cancel of all.

use crate::problem::Problem;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

/// The names of the query parameters of each path and method, as the description has them.
#[derive(Clone)]
pub(crate) struct Parameters(Arc<BTreeMap<(String, &'static str), Vec<String>>>);

impl Parameters {
    pub(crate) fn of(description: &OpenApi) -> Self {
        let mut names = BTreeMap::new();
        for (path, item) in &description.paths.paths {
            let methods = [
                ("GET", &item.get),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("DELETE", &item.delete),
            ];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    names.insert((path.clone(), method), names_of(operation));
                }
            }
        }
        Self(Arc::new(names))
    }

    /// Refuses a query of a described path that names a parameter that it has not.
    fn check(&self, method: &Method, path: &str, uri: &Uri) -> Result<(), Problem> {
        // Whoever asks for the head alone asks as for all.
        let method = match method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        let mut described = self.0.iter();
        let Some((_, names)) = described.find(|((of, by), _)| of == path && *by == method) else {
            return Ok(());
        };
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)?;
        let unknown = given.iter().find(|(name, _)| !names.contains(name));
        unknown.map_or(Ok(()), |(name, _)| Err(refused(name, names)))
    }
}

/// The names of an operation's query parameters.
fn names_of(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let names = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
            Some(parameter.name.clone())
        }
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    names.collect()
}

fn refused(name: &str, names: &[String]) -> Problem {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let expected = match names.as_slice() {
        [] => "none is expected here".to_owned(),
        [one] => format!("expected {one}"),
        several => format!("expected one of {}", several.join(", ")),
    };
    Problem::invalid(format!(
        "unknown parameter `{name}`, {expected}: nothing was done"
    ))
}

/// Refuses requests whose query names what there is not.
pub(crate) async fn known_only(
    State(parameters): State<Parameters>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = matched.as_ref().map_or("", MatchedPath::as_str);
    match parameters.check(request.method(), path, request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    /// What is wrong with a query.
    fn detail(method: Method, path: &str, query: &str) -> Option<String> {
        let parameters = Parameters::of(api::routes().get_openapi());
        let uri = format!("/?{query}").parse().unwrap();
        let problem = parameters.check(&method, path, &uri).err()?;
        let problem = serde_json::to_value(problem).unwrap();
        assert_eq!(problem["code"], "invalid-request");
        Some(problem["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_misspelt_parameter_is_refused_and_one_that_there_is_not() {
        let order = "/api/v1/orders/{order_id}";
        assert_eq!(detail(Method::DELETE, order, "quantity=3"), None);
        assert_eq!(
            detail(Method::DELETE, order, "quanity=3").unwrap(),
            "unknown parameter `quanity`, expected `quantity`: nothing was done"
        );
        let orders = "/api/v1/orders";
        let right =
            "market=SOL%2FUSDC&price_min=20002&scope=Account&side=Bid&price_max=3&request=1";
        assert_eq!(detail(Method::DELETE, orders, right), None);
        for wrong in [
            "marked=SOL%2FUSDC",
            "market=SOL%2FUSDC&pricemin=20002",
            "Market=1",
        ] {
            let detail = detail(Method::DELETE, orders, wrong).unwrap();
            assert!(detail.contains("`price_min`"), "{detail}");
        }
        let audit = "/api/v1/admin/audit";
        assert_eq!(detail(Method::GET, audit, "limit=3&cursor=7"), None);
        for method in [Method::GET, Method::HEAD] {
            assert!(detail(method, audit, "command=SetLimits").is_some());
        }
        // By its body alone.
        let none = detail(Method::POST, orders, "market=SOL%2FUSDC").unwrap();
        assert!(none.contains("none is expected"), "{none}");
    }

    #[test]
    fn what_is_not_described_is_not_looked_at() {
        assert_eq!(detail(Method::GET, "/docs/", "url=x"), None);
    }
}
