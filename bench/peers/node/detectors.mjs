// What OpenTelemetry's detector knows of this machine: `node detectors.mjs aws|azure|gcp`.
const detectors = {
  aws: async () => (await import("@opentelemetry/resource-detector-aws")).awsEc2Detector,
  azure: async () => (await import("@opentelemetry/resource-detector-azure")).azureVmDetector,
  gcp: async () => (await import("@opentelemetry/resource-detector-gcp")).gcpDetector,
};
const detected = (await detectors[process.argv[2]]()).detect();
const attributes = Object.entries((await detected).attributes ?? {});
for (const [name, value] of attributes) console.log(name, await value);
