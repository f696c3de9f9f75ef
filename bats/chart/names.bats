# The names of the resources, whatever the release is called.

load ../lib/chart

# Releases of 44 and 53 characters; Helm takes no longer one.
FITS=a-release-name-of-forty-four-characters-is-x
LONG_A=a-release-name-of-fifty-three-characters-the-maximuma
LONG_B=${LONG_A%a}b

everything=(--set "serviceMonitor.enabled=true,prometheusRule.enabled=true,grafanaDashboard.enabled=true,ingress.enabled=true"
  --set "httpRoute.enabled=true,httpRoute.parentRefs[0].name=g")

# named RELEASE NAME [HELM ARGUMENT...]: it renders, with that name for the StatefulSet and valid ones for all.
named() {
  RELEASE=$1 render "${everything[@]}" "${@:3}" || return
  assert_equal "$(jq -r '.[] | select(.kind == "StatefulSet").metadata.name' "$RENDERED")" "$2" || return
  assert_valid_names
}

@test "usual releases keep their names" {
  assert_equal "${#FITS} ${#LONG_A} ${#LONG_B}" "44 53 53"
  named chart chart-web-app
  named my-web-app my-web-app
  named web-app web-app
  named web-app-1732820000 web-app-1732820000
  named v2 v2-web-app
  named "$FITS" "$FITS-web-app"
}

# refused_name RELEASE OFFER [HELM ARGUMENT...]: one line says why and offers that name, with which it renders.
refused_name() {
  RELEASE=$1 refused "${@:3}"
  assert_equal "$(grep -vc -e '^Use --debug' -e '^$' <<<"$output")" 1 || return
  assert_output --partial "release \"$1\"" || return
  assert_line --index 0 --regexp "set fullnameOverride .*such as $2$" || return
  named "$1" "$2" --set "fullnameOverride=$2" "${@:3}"
}

@test "a release whose name would be refused by the API server is refused before anything is made" {
  refused_name my.release my-release-web-app
  refused_name my.web-app my-web-app
  refused_name 1st web-app-1st
  refused_name 123 web-app-123
  refused_name 1.web-app web-app-1-web-app
  refused_name 7 counter-7 --set nameOverride=counter
}

@test "releases that share 52 characters do not get one name" {
  refused_name "$LONG_A" "${LONG_A%a}"
  refused_name "$LONG_B" "${LONG_B%b}"
  refused_name "${FITS}y" "${FITS}y-web-ap"
  refused_name chart "chart-$(printf 'n%.0s' {1..46})" --set "nameOverride=$(printf 'n%.0s' {1..60})"
  named "$LONG_A" visits-a --set fullnameOverride=visits-a
  named "$LONG_B" visits-b --set fullnameOverride=visits-b
}

@test "a namespace's name, and a release's in a label, may be a number" {
  RELEASE=123 render "${everything[@]}" --namespace 456 --set fullnameOverride=counter
  jq -e 'all(.[]; .metadata.namespace == "456" and .metadata.labels["app.kubernetes.io/instance"] == "123")' "$RENDERED"
}

@test "a name in a parent chart is refused in the same way, with its alias" {
  parent_chart "alias: webApp"
  RELEASE=my.release refused
  assert_line --index 0 --regexp 'set fullnameOverride .*such as my-release-webapp$'
  RELEASE=my.release render --set webApp.fullnameOverride=my-release-webapp
  assert_valid_names
}
