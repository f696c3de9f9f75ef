# Builds the container image. Sourced by build.sh.
# shellcheck shell=bash

# build_image: makes web-app:<version>, with build/image as the context.
build_image() {
  docker info >/dev/null 2>&1 || die "no docker engine responds; start it (systemctl start docker), or join the group docker"
  step "compile time zones" compile_zones
  step "build image web-app:$VERSION" assemble_image
}

# compile_zones: compiles the zones in the slim form, without the transitions that the TZ string at a file's end implies.
compile_zones() {
  local source=/usr/share/zoneinfo/tzdata.zi
  rm -rf "$BUILD/image/zoneinfo"
  mkdir -p "$BUILD/image/zoneinfo"
  PATH=$PATH:/usr/sbin zic -b slim -d "$BUILD/image/zoneinfo" "$source"
  find "$BUILD/image/zoneinfo" -type f -exec chmod 0644 {} +
}

assemble_image() {
  local context=$BUILD/image
  cp "$BUILD/web-app" "$context/web-app"
  mkdir -p "$context/volume/data"
  chmod 0755 "$context/web-app"
  chmod 0775 "$context/volume/data"
  # The engine's own builder: BuildKit would need a plugin.
  DOCKER_BUILDKIT=0 docker build -f "$ROOT/image/Dockerfile" --build-arg VERSION="$VERSION" --build-arg REVISION="$(revision)" \
    -t "web-app:$VERSION" "$context"
}

revision() { git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown; }
