"""Words of which passwords are made that are guessed first, written down group by group."""

from __future__ import annotations

from typing import Final

# What stands for itself on a keyboard, forwards; backwards and upwards it counts alike.
ROWS: Final = (
    *("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    *("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "qawsedrftgyhujikolp", "!@#$%^&*()_+"),
    *("147258369", "789456123", "abcdefghijklmnopqrstuvwxyz", "01234567890"),
)
#: Numbers that mean something to those who type them.
NUMBERS: Final = frozenset({"1314520", "5201314", "520520", "13141314", "112233", "11223344"})

WORDS: Final = frozenset(
    """
    password passwort passwd passwort pass pwd passcode passphrase mima kouling secret geheim
    welcome hello login logon signin letmein changeme changeit default guest demo test testing
    tester temp temporary sample example unknown nothing none null empty please open access enter
    admin administrator root superuser super user operator auditor manager master owner boss
    service system sysadmin support helpdesk office company staff employee finance account
    accounting invoice invoices receipt bill bills tax document documents archive imaging image
    images migration portal server database data backup cloud docker linux ubuntu windows
    microsoft google apple samsung huawei xiaomi lenovo tencent alibaba baidu wechat weixin
    oracle mysql postgres mariadb sqlserver redis mongo tomcat nginx jenkins gitlab zookeeper zkui
    kingdee jindie piaozone fapiao fapiaoyun yingxiang piaoju piaojuyun caiwu xxljob xxl job
    imgmig imgsys archivejob defaulttoken accesstoken token apikey key keys
    love lovely iloveyou iloveu loveyou forever always angel baby babygirl honey sweet sweetheart
    darling prince princess king queen prettygirl beautiful sunshine flower rose lily summer
    winter spring autumn january february march april june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday morning midnight
    football soccer baseball basketball hockey tennis golf yankees arsenal chelsea liverpool
    barcelona juventus realmadrid ferrari porsche mercedes toyota honda yamaha harley mustang
    dragon tiger lion monkey panda horse eagle falcon hunter killer ranger shadow phoenix ninja
    pirate wizard batman superman spiderman starwars pokemon pikachu naruto matrix zelda mario
    minecraft fortnite computer internet laptop keyboard monitor mobile phone android iphone
    michael jennifer jessica jordan thomas robert daniel andrew joshua matthew anthony william
    charlie george harry james john david richard joseph nicole ashley amanda michelle hannah
    samantha victoria elizabeth maria anna sophie alexander maximilian
    cheese chocolate cookie banana orange apple pepper ginger coffee whiskey
    silver golden diamond crystal purple yellow green black white blue red
    freedom liberty jesus christ heaven trustno letmesee whatever blink player gamer music guitar
    china zhongguo beijing shanghai guangzhou shenzhen hangzhou chengdu wuhan nanjing tianjin
    chongqing suzhou xian qingdao dalian hongkong taiwan macau america london paris berlin tokyo
    woaini woaiwo wodemima nihao nihaoma xiexie zaijian baobao baobei laopo laogong mama baba
    meimei didi jiejie gege pengyou xingfu kuaile jiankang facai gongxi wangluo diannao dianhua
    gongsi zhanghao denglu guanli guanliyuan caozuoyuan shenji yonghu xitong ceshi
    zhang wang liu chen yang zhao huang zhou sun zhu guo lin gao luo
    xiaoming xiaohong xiaoli wangwei wangfang zhangwei zhangsan lisi wangwu liwei
    qwe qwer qwert qwerty qwertz azerty asd asdf asdfgh zxc zxcv zxcvbn abc abcd abcde aaa xyz wasd
    qaz wsx edc rfv tgb qazwsx zaq xsw
    one two three four five six seven eight nine zero ten first second new old your our the
    you and yes not
    """.split()  # noqa: SIM905 - so many words read better as text
)
