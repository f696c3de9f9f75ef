module web-app/kubernetes-oldest

go 1.24.0

require k8s.io/kubernetes v1.27.16
