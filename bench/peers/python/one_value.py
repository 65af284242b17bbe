"""The id of this instance, by the client that is named: ec2-metadata, botocore or google-auth."""

import sys

client = sys.argv[1]
if client == "ec2-metadata":
    from ec2_metadata import ec2_metadata

    print(ec2_metadata.instance_id)
elif client == "botocore":
    from botocore.utils import IMDSFetcher

    # What its own fetchers of the region and of credentials do for a value.
    fetcher = IMDSFetcher()
    token = fetcher._fetch_metadata_token()
    print(fetcher._get_request("latest/meta-data/instance-id", None, token).text)
else:
    import google.auth.transport.requests
    from google.auth.compute_engine import _metadata

    print(_metadata.get(google.auth.transport.requests.Request(), "instance/id"))
