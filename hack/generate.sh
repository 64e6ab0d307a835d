# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by hack/update-generated.sh and hack/verify-generated.sh.

# generated_files lists what generators own, in the tree below the current directory.
generated_files() {
  find manifests/crds -maxdepth 1 -name '*.yaml' 2>/dev/null
  find pkg -name 'zz_generated.deepcopy.go' 2>/dev/null
}

# generate_into DIR makes every generated file anew, under DIR, at its path in the repository.
# The tree itself is not touched: other commands may be compiling it at the same time.
generate_into() {
  local out=$1 dir
  # CRDs: the API groups that are served; the plugins' arguments in pkg/apis/config are files, not resources.
  if [ -d pkg/apis/failure ]; then
    mkdir -p "$out/manifests/crds"
    "$CONTROLLER_GEN" crd paths=./pkg/apis/failure/... output:crd:dir="$out/manifests/crds"
  fi
  # One run per package: controller-gen writes all packages of a run into one directory.
  while IFS= read -r dir; do
    mkdir -p "$out/$dir"
    "$CONTROLLER_GEN" object:headerFile=hack/boilerplate.go.txt paths="./$dir" output:object:dir="$out/$dir"
  done < <(grep -rlE --include='*.go' --exclude='zz_generated*' \
    '^// \+(kubebuilder:object:(generate|root)=true|k8s:deepcopy-gen(:interfaces)?=)' pkg/apis 2>/dev/null |
    xargs -r -n 1 dirname | sort -u)
}

CONTROLLER_GEN=$PWD/_output/tools/controller-gen
if [ ! -x "$CONTROLLER_GEN" ]; then
  echo "$CONTROLLER_GEN is not there: run 'make generate' or 'make verify', which build it" >&2
  exit 1
fi
