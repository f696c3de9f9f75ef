# One JSON schema for each of the $kinds of a Kubernetes API description (swagger.json), as lines of
# {"file": "statefulset-apps-v1.json", "schema": {...}}. Unknown fields are refused.

# Types that the description leaves open, though the API server does not.
def exact:
  .definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {type: ["string", "integer"]}
  | .definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {type: ["string", "number"]};

def closed:
  if .properties and (.additionalProperties | not) then .additionalProperties = false else . end;

def references: [.. | objects | .["$ref"]? | strings | ltrimstr("#/definitions/")] | unique;

# closure($all): the names that the given ones lead to, themselves included.
def closure($all):
  . as $names
  | ($names + ([$names[] | $all[.] | references[]]) | unique) as $more
  | if $more == $names then $names else $more | closure($all) end;

exact
| .definitions | map_values(closed) | . as $all
| to_entries[]
| .key as $name
| .value["x-kubernetes-group-version-kind"][]?
| select(.kind as $kind | $kinds | split(" ") | index($kind))
| . as $gvk
| ([$name] | closure($all)) as $needed
| {
    file: ([$gvk.kind, ($gvk.group | split(".")[0] | values), $gvk.version] | join("-") | ascii_downcase + ".json"),
    schema: ($all[$name] + {definitions: ($needed | map({(.): $all[.]}) | add)})
  }
