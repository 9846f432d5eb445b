# One static program in an empty image. It runs as nobody, needs no shell, and
# writes to its data folder alone, so the root filesystem can be read-only.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X teikyo/internal/buildinfo.version=${VERSION}" -o /teikyo ./cmd/teikyo \
 && mkdir -p -m 0700 /made/data /made/keys /made/checkpoints

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /teikyo /teikyo
# Volumes take owner and mode from here.
COPY --from=build --chown=65532:65532 /made/ /var/lib/teikyo/
USER 65532:65532
ENV TEIKYO_DATA=/var/lib/teikyo/data \
    TEIKYO_KEYS_DIR=/var/lib/teikyo/keys \
    TEIKYO_CHECKPOINTS_DIR=/var/lib/teikyo/checkpoints
VOLUME ["/var/lib/teikyo/data", "/var/lib/teikyo/keys", "/var/lib/teikyo/checkpoints"]
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/teikyo"]
CMD ["serve"]
