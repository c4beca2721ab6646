# Two images from one build: `collector` without the embedded ClickHouse (0.6 GB), and `full` with it.
#   docker build --target collector -t migration-audit:collector .
#   docker build --target full -t migration-audit .
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# everything that is native comes prebuilt
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM build AS build-collector
RUN rm -rf node_modules/chdb node_modules/@chdb

FROM ${NODE_IMAGE} AS base
WORKDIR /app
ENV NODE_ENV=production
RUN install --directory --owner=node --group=node --mode=0750 /var/lib/migration-audit
COPY package.json LICENSE ./
COPY schemas ./schemas
USER node
VOLUME /var/lib/migration-audit
ENTRYPOINT ["node", "/app/dist/cli.js"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9470/healthz').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]

FROM base AS collector
COPY --from=build-collector /app/node_modules ./node_modules
COPY --from=build-collector /app/dist ./dist
CMD ["collect"]

FROM base AS full
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY examples ./examples
CMD ["run"]
