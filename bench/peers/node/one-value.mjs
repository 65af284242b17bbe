// The id of this instance: `node one-value.mjs aws|gcp`.
if (process.argv[2] === "aws") {
  const { MetadataService } = await import("@aws-sdk/ec2-metadata-service");
  const service = new MetadataService({});
  console.log(await service.request("latest/meta-data/instance-id", {}));
} else {
  const { default: gcp } = await import("gcp-metadata");
  console.log(String(await gcp.instance("id")));
}
