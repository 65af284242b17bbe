//! The part of JSON Schema that `openapi.json` uses. A keyword that isn't known here fails the test, so that none is passed
//! over in silence.

use serde_json::Value as Json;

/// What is wrong with a value, by a schema of this document; empty where nothing is.
pub(crate) fn problems(document: &Json, schema: &Json, value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Json, schema: &Json, value: &Json, at: &str, found: &mut Vec<String>) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{at}: {schema} is no schema"));
    let mut own = Vec::new();
    let mut wrong = |why: String| own.push(format!("{at}: {why}"));
    for (keyword, rule) in object {
        match keyword.as_str() {
            "description" | "properties" | "additionalProperties" => {}
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = document.pointer(target).unwrap_or_else(|| panic!("{rule} leads nowhere"));
                check(document, target, value, at, found);
                assert!(object.keys().all(|key| key == "$ref" || key == "description"));
                return;
            }
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !types.iter().any(|kind| is_of(kind.as_str().unwrap(), value)) {
                    wrong(format!("{value} is no {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                wrong(format!("{value} is none of {rule}"));
            }
            "const" if rule != value => wrong(format!("{value} isn't {rule}")),
            "minimum" if value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()) => {
                wrong(format!("{value} is less than {rule}"));
            }
            "minLength"
                if value.as_str().is_some_and(|text| (text.len() as u64) < rule.as_u64().unwrap()) =>
            {
                wrong(format!("{value} is too short"));
            }
            "enum" | "const" | "minimum" | "minLength" => {}
            "required" => {
                for name in rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
                    if value.as_object().is_some_and(|members| !members.contains_key(name)) {
                        wrong(format!("{name} is missing"));
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{at}/{index}"), found);
                }
                continue;
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(|members| members.keys()) {
                    check(document, rule, &Json::String(name.clone()), &format!("{at}/{name}"), found);
                }
            }
            "anyOf" => {
                let fits = |schema: &Json| problems(document, schema, value).is_empty();
                if !rule.as_array().unwrap().iter().any(fits) {
                    wrong(format!("{value} fits none of the alternatives"));
                }
            }
            unknown => panic!("{at}: the keyword {unknown} isn't known to this test"),
        }
    }
    found.extend(own);
    let Some(members) = value.as_object() else { return };
    for (name, member) in members {
        let at = format!("{at}/{name}");
        match (
            schema.pointer(&format!("/properties/{}", name.replace('/', "~1"))),
            schema.get("additionalProperties"),
        ) {
            (Some(own), _) => check(document, own, member, &at, found),
            (None, Some(Json::Bool(false))) => found.push(format!("{at}: isn't in the document")),
            (None, Some(other)) if other.is_object() => check(document, other, member, &at, found),
            (None, _) => {}
        }
    }
}

fn is_of(kind: &str, value: &Json) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        unknown => panic!("the type {unknown} isn't known to this test"),
    }
}
