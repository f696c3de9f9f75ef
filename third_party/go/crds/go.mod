module web-app/crds

go 1.26.0

require (
	sigs.k8s.io/gateway-api v1.6.3
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
