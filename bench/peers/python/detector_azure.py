"""What OpenTelemetry's detector knows of this Azure VM."""

from opentelemetry.resource.detector.azure.vm import AzureVMResourceDetector

print(dict(AzureVMResourceDetector().detect().attributes))
