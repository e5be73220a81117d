# syntax=docker/dockerfile:1

# The programs of docker-compose.yml: one build, one image for each.
#
#   docker build --target purchase-streaming -t arus/purchase-streaming .

ARG RUST_VERSION=1.95

# The full image, not the slim one: librdkafka and OpenSSL are built along, which takes gcc, make,
# perl and bash.
FROM rust:${RUST_VERSION}-trixie AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY tests tests
# The caches keep what was downloaded and compiled, so that a change of our own code does not compile
# the dependencies again. They are not part of a layer, hence the copies. Packages by name: the broker
# and the tests would bring features, and a second TLS library, that these programs do not need.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --profile image \
        --package purchase-producer --package purchase-streaming \
        --package bank-producer --package bank-consumer --package retail-etl \
    && install -D --target-directory=/programs \
        target/image/purchase-producer target/image/purchase-streaming \
        target/image/bank-producer target/image/bank-consumer target/image/retail-etl \
    && install --directory /state

# glibc, the certificates of the web and a user without rights; no shell, no package manager.
FROM gcr.io/distroless/cc-debian13:nonroot AS runtime
# A named volume that is mounted here takes the folder's owner.
COPY --from=build --chown=65532:65532 /state /var/lib/arus
WORKDIR /var/lib/arus
USER 65532:65532

FROM runtime AS purchase-producer
COPY --from=build /programs/purchase-producer /usr/local/bin/
ENTRYPOINT ["purchase-producer"]

FROM runtime AS purchase-streaming
COPY --from=build /programs/purchase-streaming /usr/local/bin/
ENTRYPOINT ["purchase-streaming"]

FROM runtime AS bank-producer
COPY --from=build /programs/bank-producer /usr/local/bin/
ENTRYPOINT ["bank-producer"]

FROM runtime AS bank-consumer
COPY --from=build /programs/bank-consumer /usr/local/bin/
ENTRYPOINT ["bank-consumer"]

FROM runtime AS retail-etl
COPY --from=build /programs/retail-etl /usr/local/bin/
ENTRYPOINT ["retail-etl"]
