#!/usr/bin/env bash
# Copyright The virt-scheduler Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Static binaries in _output/image/rootfs, and from them an image as an OCI archive, which needs a container engine.
# Without one the binaries are built all the same, and the exit code says that there is no image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tag=${IMAGE_TAG:-virt-scheduler:dev}
out=_output/image
archive=$out/virt-scheduler.oci.tar
rm -rf "$out"
mkdir -p "$out/rootfs/bin"

# The same sources give the same bytes: no paths, no build id, no state of the checkout.
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -buildid= ${GO_LDFLAGS:-}" -o "$out/rootfs/bin/" ./cmd/...
# OpenShift's Secondary Scheduler Operator starts the scheduler by this name.
ln "$out/rootfs/bin/virt-scheduler" "$out/rootfs/bin/kube-scheduler"
find "$out/rootfs" -exec touch -h -d @0 {} +
cp hack/image/Containerfile "$out/Containerfile"
(cd "$out/rootfs/bin" && sha256sum ./*)

if command -v podman >/dev/null && podman info >/dev/null 2>&1; then
  podman build --timestamp 0 -t "$tag" -f "$out/Containerfile" "$out"
  podman save --format oci-archive -o "$archive" "$tag"
elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  # `docker save` writes the OCI layout since version 25.
  docker build -t "$tag" -f "$out/Containerfile" "$out"
  docker save -o "$archive" "$tag"
else
  echo "The binaries are in $out/rootfs/bin; no image was made: that needs podman, or docker with a running daemon," >&2
  echo "and neither answers here. With one of them, run 'make image' again." >&2
  exit 1
fi
echo "$archive"
