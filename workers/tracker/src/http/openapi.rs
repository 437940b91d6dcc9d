//! The OpenAPI 3.1 document, made from the table of operations and the wire types' own schemas.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Access, Operation, api::operations, problem::ProblemBody};

/// The document `/v1/openapi.json` serves.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(operation.method.to_owned(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "videocloud tracker",
            "version": "v1",
            "description": "Content index, claims, tasks, publications and uploaders. Fields may be added; readers skip those they do not know.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = Vec::new();
    for part in operation.path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        }
    }
    for (name, meaning) in operation.query {
        parameters.push(json!({
            "name": name, "in": "query", "description": meaning,
            "schema": { "type": "integer", "minimum": 0, "default": 0 },
        }));
    }
    let problem = json!({
        "description": "What went wrong.",
        "content": { "application/json": { "schema": generator.subschema_for::<ProblemBody>() } },
    });
    let answer = operation.answer.map_or_else(|| json!({ "type": "object" }), |schema| schema(generator).to_value());
    let kind = if operation.path == "/metrics" { "application/openmetrics-text" } else { "application/json" };
    let answer = if operation.path == "/metrics" { json!({ "type": "string" }) } else { answer };
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": caller(operation.access),
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": { kind: { "schema": answer } } },
            "default": problem,
        },
        "security": if operation.access == Access::Anyone { json!([]) } else { json!([{ "bearer": [] }]) },
    });
    if let (Some((schema, limit)), Value::Object(fields)) = (operation.body, &mut described) {
        let body = json!({
            "required": true,
            "description": format!("At most {limit} bytes."),
            "content": { "application/json": { "schema": schema(generator) } },
        });
        fields.insert("requestBody".to_owned(), body);
    }
    described
}

fn operation_id(operation: &Operation) -> String {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(operation.method.to_owned(), |id, word| format!("{id}_{word}"))
}

const fn caller(access: Access) -> &'static str {
    match access {
        Access::Anyone => "For anyone.",
        Access::Operator => "For the operator.",
        Access::Worker => "For the worker that holds the task's token.",
        Access::Uploader => "For uploaders and the operator.",
    }
}
