module web-app/kubernetes-newest

go 1.24.0

require k8s.io/kubernetes v1.37.2
