# The observer, for Marathon on the public node: `docker build -t dploy-observer .`
# The cache mounts need BuildKit, which is the default since Docker 23.

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
# cargo reads the manifests of the whole workspace, also of what is not built
COPY crates ./crates
COPY benches ./benches
# the sources are compiled in: SQL migrations, page templates, static files and the app spec too
COPY src ./src
COPY migrations ./migrations
COPY templates ./templates
COPY static ./static
COPY observer.json ./
# without the local world: nothing in it starts processes. Dependencies stay compiled in the cache between two builds; the program itself is copied out of it
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --no-default-features --bin observer \
    && cp target/release/observer /usr/local/bin/observer

FROM debian:bookworm-slim
# TLS to GitHub is checked against the system's certificates
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
# a number, so that "must not run as root" rules can check it without a passwd file
RUN install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=builder /usr/local/bin/observer /usr/local/bin/observer
USER 10001:10001
# a `.pat` here is found, and so is the log
WORKDIR /data
VOLUME ["/data"]
ENV DPLOY_OBSERVER_DATA=/data
EXPOSE 8888
ENTRYPOINT ["observer"]
