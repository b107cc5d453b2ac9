"""One small module as compiled by each CPython, for versions that are not at hand."""

import base64
import zlib
from dataclasses import dataclass

SOURCE = """def f(a, /, b=1.5, *, c=2j):
    def g(x):
        return x + a if x in {1, 2} else (None, ..., b"b", 2**70)
    return g
NAME = "\u00e9"
"""
"""What was compiled, as `/build/one/m.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Compiled files, compressed and in base 85.

    Attributes:
        shared: Written by the import system's own version of marshal.
        plain: The same code without references, as marshal's version 2 writes it.
        other: The same module with a minus in place of its plus.
    """

    shared: str
    plain: str
    other: str


def unpack(sample: str) -> bytes:
    return zlib.decompress(base64.b85decode(sample))


SAMPLES = {
    "3.8": Sample(
        shared=(
            "c-mc1F;2r!47HP=Hb4rMI>5-9CAmNq$^aW#Dwb|doK%REpdVGDsB9H*2riIw^cGneP)CH25EFJ%1nQUGvt|1"
            "|TmQ1t*#&v;!{m{}D{MW*7%++>CTbIs@q%QMTACvuYlPGqf@{Au(_bg^E&ag73gg(|6gLn{bAzJG^aLr2@zQ"
            "=U7be@8VT}JgB)1qn5gaoufbhDdy9;=RLl^=98FCX@JxCQBw8B6(u0^?)%=?fu(z1Jf&QyXNc2_cub(;&{2Y"
            "xiW%E-@e5`XI5&MTaVvM}ls?w!=@XL&r%iol!H3Rh|Qy9y&MGujc7hTaj{t9z;JEmZB{7<!-Mr%bQP&_yjxx"
            "2aYtJiRz;^nX;F*!^ivvn&bl_nxl$0Y)=KTL"
        ),
        plain=(
            "c-nQ5u};G<5Qc5X2^DHZqz*7LW=dY53T1$eED=k$B$q@HDM474s1&vecnDsA=irIh7`e0C6h&a^KA&>F|35p"
            "ov)M7D^_7+{xD{-)B*qd$ogv@|IEZ%+4#=&uV&JYgcqt1eSgdWs_r+!;u?#p;6N*A0`7TJ?*@f~EudL$au$?"
            "?Ry@R?`Necc;jB*!aPCe&{o&mq}9{rxZu~U{ZU?6BdaObR&sNs=DOuh{@H<X2n(%j_DH6kGG!<<itG&3cAf{"
            "1e6v=DXoWwZ_-Hl|#Ygc4>nJw;aGqV0;TRdHBbRXIo*=Jq9Q_sBQ<*QX*VX?&)_e$r(7`H`6Z;rRoxSF1FgP"
            "cCn+tj&NwUFaV!)*a}!jQRdjzWf0O$4H3"
        ),
        other=(
            "c-mc1F;2r!47HQrHb4rIx^!gCl3buFWq^$=5lgowPAWu7(2pun6t)UD1Q+NzdW)<Ks3Ss1hzUC>0`*Jp*|Pn"
            "ft$*3=?t{GdFnQ$g3Oi3RMvS7*L>)phUXV;uOLGj=8Y8tsaILpy`s-w|qaV3gVH_Kr;ud0QZc#W)PmrP*FRc"
            "f&G}+D!V*KYJd5h5#!7)<_gx78Dl<*9F2!VhMxrtgmNEI8jgQ0BPh;k#D_aSMdW%uTsX$5lF-HK_VJ6!la@}"
            "v1xMt**i_%rWzQQ=gSg;AeyZ>QcM%i~E_483WsaFv$7t1!|sqirE+=slr>x|hn{Le(C&p$|EJ%Jg~_xTvM+H"
            "q}Z6rx$09{*P)CYcR`co+U&4y~j~MM=C^I"
        ),
    ),
    "3.9": Sample(
        shared=(
            "c-mc1F;2r!47HP=Hb4uJI>5-9CAmNq$^aW#vUN-1rb0>y`cV-@WvhTgaDkkITV!QG84*H4OxS4=s9$=|mhJa"
            "!{kY%X1$pn$<blI0Y(2#oG0Gz*>JpOijAW8pnPVVpjMRz1wcpm$Unh$#{m8`{)70P;HxNs6gVJGogbc-aW#5"
            "}ilkLnf#eW`>Ta1ASj+vG~cmvv5!V?@q1O#NrO=JxqQ*6))1KHS!vXRXDkTlV<yE$j7Kn}aDm}1@K!uNrn%r"
            "A5Di>rx0^R5>)PDNQ7?Fo0i%p2xK8s}x;O<RSlwESI-iIy4N6OxAB5!!2end~i9>(MjxKF3d)eyKtiwKUyzw"
            "N~Nj#o1c_N3DrHoE0?BCjtK6<ES5B;6!W"
        ),
        plain=(
            "c-nQ5zfQw25XR4rQ!3PoNFB<^m??RIDwF{>vSjO)<dP^-N)V9|mBLm555WuY96S*lBX@THpa?A8&!?R4`_4`"
            "}ot^@(ucUaPEr-EU6ibTkoPZ}NP`(RvP;H$Rpt}+{O28jev9b-{mz#ma(icR{$a6^)yI^f+7oA6Vg;KD?cKq"
            "!04(W0w&c!b=&RvQb_goNqK=B9<UJq|DhXfE%@_gvdpj4zWVvUG>Yi_PN3p!3Slh-!{pS6#3J{{B4l=K-P%y"
            "ivg*xnW4I=J7Ma>WvzG^6PWu?!YXo2N||1(j7*2PwnMzJ%=__@@8*l#EUppNX`eG~0fD#HRo7{Jz|)m734TS"
            "GU*J=72w4_#ZCTE$XI-#QsvA`T-{~NSX"
        ),
        other=(
            "c-mc1F;2r!47HQrHb4rIx^!gCl3t)HWq^$=*}5fhQX!=j{iukduvNezxIoUqEwVD8j0hniChVjL)Gxhf%l3P"
            "=e%SBtgS_`3dEoF0J5MpDjC{yMJwh^`kxWt>a|YCzA$0?At+#gi>twy7pSoCK92=bC7Gh~`kvmL}kfIoGtb4"
            "OC+0OK1{O2KghcOVrF;fAAH=vyYo?r+85Rf4^QD*?DVuP+fk&U$|YstJ1Nh2-0>vN_O<gnY4DbzhKd>@UX)n"
            "!Jb<yA6Tc-QL+=c3Gw=7c*t^~TvU4zqmX%^QWQwESI#k(L>43rR!o2^}=ORQBeo@vsej$njIAUrOIaElszrR"
            "?0uUIBWHP)R<V~#gbN8GQr<_9Q6ZW*F<d"
        ),
    ),
    "3.10": Sample(
        shared=(
            "c-mc1F;2rk5ZtxTi2(;9rGPT68~X#12?cbxahERk#u1W((OE$Rg)Raf!3Xk={K72-a)}TUqGH#M0Oh2a8{O{"
            "At}gF%_Cd~jG<oFf6?Tqd3>n1<6SWD+ctJ8rt;`XSH9~4d;M#9Z_t)uS$3Jwj#3V6T;uaEVZc%iZo*+dDUfB"
            "=k(&RWZOz>ZZXp7MkL!W60gtwsWB|O71L_k1>>_k=%QpEwSFp!CrI4e=!hsapV?COGP4YJtXnrW=t{P2C`$M"
            "dU<{QP?2&%B#OiBoYFLVdh<Qg4vu$v7(lZ(2KCrRDERjJ5P=M@R~KPw1eor82jWu?{LjAF}wA?#()MQA^QnU"
            "P~38U7k1oKdM9Q!7QhFHVJ;Sx?rmx4EaQ$"
        ),
        plain=(
            "c-nQ5!A^rf5Qb-Asl>FgNe}hdBPV!)2J1m@a^cn+FhEGC7&mKdg11I}2w%YG@QJ*6bcU_ekam;*-wCtx{hOt"
            "kOwNJVcbvb{mcd|2(u$-m$?yyXS|0*!lskJ3=&S{fV(?sQmS*7RYCAxzJVCD6vdkhEdokPIOHIk%pb(s}b6@"
            "P%CN6iPO#Fj!?T}_Xvmk2$#S=WbExf}VVn9HP?}yF|3Q3F+GeXX-c(~%qS6rrDUEPv-%s$-n`A{ZZOJ9%$sj"
            "g}an)^K1_z&BzT{1$kErcG^R`|=h$&y-yerc$(M|GZ>moU?V+~j0V!KN5B7Sb}GG{=5@M%{e>{GRnkD>R>vu"
            "J3M4Om9b1_#ZAe4eB}%`>-jv@)zilNX`"
        ),
        other=(
            "c-mc1F;2rk5Zv{h69W!JN|Q3J8|MR&2?cbxahERf+7Xh2(OE$RnJxkz!3XjVe&IF+N{J8>qGC6W0Oh2a8{O{"
            "At}bu24nfX)lsxjahP|U1Lq^eMq9!3(FGz~?QjLJ@5mF-p&v~o6zfKo>{-K8z#<9f`caTW6L(yh>f)piq={%"
            "@XahwWc{FfoxW^}~RV=9607K~HEGjt&W0<vT$vOAD!4rqjdOx%cbBg+2}IWaPObHTI%S?q4bG&W6s_&(`R=2"
            "sc@^XsHP^KTXvPQ_UW_3++J{Xv$;<E#k$>DJ+CBY#)n#7K{Eg`{8(gpRhgROS{k)<tcZV-}y%{kjT0G*a~H*"
            "Gh+Hm*=(rkG3JsV3yN7OM>65HaPkR4e~^x"
        ),
    ),
    "3.11": Sample(
        shared=(
            "c-n1Hze_?<6h7zP_v(>a^kb;aA)>cv4Q*l>6fL<J4Nj?7C9te3Mv8$$lx;1MLwmV3+T1_j7;g$1!tI3w(bPF"
            "F0|U?He&=w{$M>Cc?*oA`;P^;nFDSjiK*)aX%@W*#8d0dk9V&S)lc0<wDl-B0==(40YqbLZW6eefGZ{f8_OI"
            "y6_NE9fNwfhuRCsQk$(kfF5zpX&f=PFp>5Bw6cndX9cmmq2!4+2N?a)%7gp$foX4L}786+|ikFrmfmAYJodR"
            "(UUC_iixw8+W9QwLKe?g#7N6XA4uzo5d!!)*8<bX0LLU-jogkwP((DwLw3Jo8Emyk{L=X6Kr_O<&X3IKE!KD"
            "mTgx^N;dzr@h=xKdp4^SjUR>czn%&Ya7~6$-%Vd&Gk4783cR5U{D9VR!&d$Kj_cG6=<%b3&Zi%=dW++38H@T"
            "T+gkzjhZW4cuI~Dk8N*w_8!Z#`L-elMO7|jqk87gZHd5@i0BH5fu?YQ(onF#^4ASMp5hO^R&Q|"
        ),
        plain=(
            "c-nQ5Jx>Bb5Qb-N@AM)N6K$}gFa{ft!j7PrXl$gxSXc?S93kODy{r*~358MUYz!3kYDbB+f56hxpKx}T&g>y"
            "Vf_vF#_I7sPcQX4Fi7Wt*uYBp2f&&vnjG`AM^gzx@l*S`UaU+gFn#U-uJjCZISq=_<Z#7|hY{!wP7>;8QaWs"
            "vQzPCiUBlQlrDDlR=7A--loX<HpA!X5A<{NRs1NNW=5-;G~YC#vTXs>QdkcJe}l-89E;F_c}$2u8StFTywR|"
            "$`oMZK=<5m+&>)RkUp7ChdFwbdepWKmVBGTEq?lC{KXQy(a+Fwsq<s|}}6^)iVvU+~tr5pDR0uJn)kp?;`yc"
            "Ax61j(T1lh{547H7vevzOQHB?W_l5Z}Zo?pjiw$7T9>4Jc-3(|5oA##0h)fKx+qmn9a{nxV^9K71#XslGE=r"
            "e#XCExQg9#*@InOXmDp%9n^40*BVk)OPQ%3UDXD`7l`N^0waCH2MRM`gB@<0{AsTr7p--3"
        ),
        other=(
            "c-n1Hze_?<6h7zP_v(>a^kb;aA)>cv4Q*l>6fL<J4Nj?7C9te3Mv8$$lx;1MLwmV3+T1_j7;g$1!tI3w(bPF"
            "F0|U?He&=w{$M>Cc?*oA`;P^;nFDSjiK*)aX%@W*#8d0dk9V&S)lc0<wDl-B0==(40YqbLZW6eefGZ{f8_OI"
            "y6_NE9fNwfhuRCsQk$(kfF5zpX&f=PFp>5Bw6cndX9cmmq2!4+0%@<U635=tsVnN<rQXOPH9Jjy;@R_byU>T"
            "#LYqx`T*&>|-XPaRB^xF4*4PlVIu{elV?53}Ke&{4&~eAS-|MGD1Cs!)oC^2{qO@Sb&enVoCyHhoQB<M?{{s"
            "@y0)%s<M<o%V7&{j}1tV;w8j<MB2Bt!-#OB?r@*H`n7VWDx8HgFzkeS~)%0|DZn$SD?9$E)2(4pTEAPCy4sV"
            "b3M1>HfpYH;VC&rJhr{z*?TO{=G%%K6jiy9jp~^{w<Q8sBBCoK2AaYJN<+Z{%U?J6c#1#FE^m7"
        ),
    ),
    "3.12": Sample(
        shared=(
            "c-mD^Jxc>Y5S`h*i-+Dt{6Mrzq2M(aQrLxP1jWWQ5eqB5Y$C$N=pGRhB18~BIvY{JA7DC5tu1XV<to8K>>`O"
            "Eshqt;(1Cd~%+9>GGf$S)56V8X`C|%i@W*&Bw#Eo9K|}-!c7uW+@ih?I8dh|>@4egeJzIhQHfLjixg4Vud(L"
            "{Ktzm)_qCABH3Oq6nc#UVlW|<uRVbIA(RQoi+1zti81nz;<YjB2Ds%1fdV1f%x=v4!tpb<$VlTtb#is?gTPD"
            "`b(>{EqBf(9uCxF6t#uij(z&S2avZ+RkK+Rn#|&Q2x3&8k^&l3ppd;rS_NQ}y{%YR@{nj89yxUJsn^o+r-A&"
            "qn%o@{ZrF+$ZkchnZ(PO_i4Vy;O&_HEB`^(3NU&8C5(Q!FntflUDdtkVC!u_|dLHo1s3BuLEX%Ne)u!OUXYr"
            "GB!$;*({t0v`l(=A(RQbLb{HTES5ys%ctb%FY7o#lOtl2akQ>j8z?jlFw8?OocsZKOJtM"
        ),
        plain=(
            "c-nQ5Jx>Bb5Qb-N@9-j^i6#a+3Qe$qP}mU^6OD~D7z--lmLnt}>gJ3XOfWHibT$S|`~ligVr^+dY3WbEgu>F"
            "9Jw#1(l6_`xcK3bfc3;BbN#J<Tl`beb@FT=1t2sg&WI&=c?oo<!kq2q!v0=p~XsPUP`&enf?^ul?(PKD{LB!"
            "E8M(S#Ya7o%%;G)EH`&2YV4r08Xb?}FjMPrsv#0a<8h9*cnf<vnb*LXs;97vFc6w;K|i4EYIq!VDBG^<ruti"
            "rRn;%QOOD;oq>^euI#$C?Gjg=ov0rj#gpm8wkC_ezOce7~VLl)Vtqji;)0r%+Ytc$p8VMZSm@yhi3bJ9ojWg"
            "PY{F*S9kd3tiFO?j?K0r{(@qhAIli*5;RWL9^&znD3%^aW@)`{@aM_lcA=3_o0E-8omWXtxav?acj?yS^XU2"
            "*ZTft*JGD#W@}wH<e&M=kM0#xwYv1GrSz{4?H(Zv1R@R$f#HrZ1WE%N?9iF1H9rA&wrZ9"
        ),
        other=(
            "c-mD^Jxc>Y5S`h*i-+Dt{6Mrzq2M(aQrLxP1jWWQ5eqB5Y$C$N=pGRhB18~BIvY{JA7DC5tu1XV<to8K>>`O"
            "Eshqt;(1Cd~%+9<wvrm@Q56V8X`C|%i@W*&Bw#Eo9K|}-!c7uW+@ih?I8dh|>@4egeJzIhQHfLjixg4Vud(L"
            "{Ktzm)_qCABH3Oq6nc#UVlW|<uRVbIA(RQoi+1zti81nz;<YjB2D+B*vZ1QT3nLa!PC1&v4|nUvD`P)r{xb6"
            "P5OWuGc65;RCD!2JL>eDxlycLw8bdCL>=(sn*xbapBMZdT2Llk`ft4bM+Go2t*BQg_zjWqjgl^?KlR_dIb{e"
            "m2s#lXv`X<vwxmKFmDZX{xl;_ELSUtx1zYfUZ=B%c$bf2-ah<n6$#Df*k7ok00$Sv>EF2_&Q+Lm*gOozLfl9"
            "BV(gfna#q9K+B|;7ebk^E2Qff$zn;Ay?jcJ{<4k}G&v$R8At1iwShv@0K+`g!pR?oIb@y"
        ),
    ),
    "3.13": Sample(
        shared=(
            "c-mD^OG^S#6u#%qs6&nxJ-}SKu*E=*2)0TrgQ87tuC|PPllZ7BLhfu6wQCay{ej%Mv~_>LWy~sQ5$=qsXxTZ"
            "VfgQNt`8bd7<6PV4TVNC)qI8Yvjm?EJ%XSdqo(Z=A!A%fKkX3mVBonHHip%i4Pv?GiI_!V!8el=8z>&i2@tL"
            "r_ig1FmSr!KYD5*7+tP*AhPZwZL!-a2!7B&%*Knnu4k>{|JWf_Pd4>Q387m84YE21$LS5e5FPLkW0)W*b2n`"
            "mBosBnPLM>h*DEy%T~AL?3*(R}-?R*W_qrD)we?^sZ=^s<?#H4C{~D`{3}uC+necG*i{y?6ZJy}7uH-L^+s>"
            "M=Y}2AN@On19+D87ZvTbb+KVHdLu&vLG+%eCa1072z}#3Q3>SD$C{BFSYzrhc6DUJ$Uu%-9x#ArBAYd?xziq"
            "#0>6iSZX?TwC~tBQ&TxDQEwL8wNg^9{iy~JCJF#dxB|W&|7Msb8q@SE)!F<7F2i8;"
        ),
        plain=(
            "c-nQ5Jx>Bb5Qb;&4!j6xp#@S=V1kJpA;C(5VxqB;X2H@3$44N1D4R>9!^UW5V?yE|(2f#o{{W?>KLKMjmd@-"
            "ULZX}OGjqE;?>o2q9tbP~k2g`iqF}?!&?ixb2zMa70)=Lw&_hty>evBcbg=4)F3@(>J^HoNh54}?MWVy7ZH<"
            "VNsZAW@D&d6m^N>V=q;0nJydHrlpUB!cBj%yG!Zn+OG;)o=ZORL@lZPC}D35>up$T0W!V@zAk_KscSu4$oH5"
            "ROKW=T$qDz6<7qU@n;RlgUC1<4EHp0i9LUUX`WQoP+N$D7t!R~@K2eqzN+HQIKeA=6fs3*<UqM-N_tYyIPU-"
            "}U)z;>H=7nTN<gALNFKVex5ew2`3|2~%t1$GV_cbg#{Ik-T{t4u}73q~ekxmt6M`4Ly7K>ht#wm5sx#JwImE"
            "qfFoI_m?XUyJRy*`>G+g<}W|GS4cJ6C8tqN&wVKOAYrT{;#ku$(APeJ!q^1Ue`zSqZ-yXd(f"
        ),
        other=(
            "c-mD^OG^S#6u#%qs6&nxJ-}SKu*E=*2)0TrgQ87tuC|PPllZ7BLhfu6wQCay{ej%Mv~_>LWy~sQ5$=qsXxTZ"
            "VfgQNt`8bd7<6PV4TVNC)qI8Yvjm?EJ%XSdqo(Z=A!A%fKkX3mVBonHHip%i4Pv?GiI_!V!8el=8z>&i2@tL"
            "r_ig1FmSr!KYD5*7+tP*AhPZwZL!-a2!7B&%*Knnu4k>{|JWf_Rz1z{$b;6f3qa78r6;wlQc(@An0liHY=X%"
            "o#$4;2m&`silCr3JYb^+R22F`93m)r!$(qZF;1=N$_wmR>d!wPqn#YbDJJ&9ye@+AezutoM!|yf+tjvD@}YO"
            "Ff1M${;h04f9W1BO`?sn=X*_#fB<%OcvxNoiF{QqavJ!LLupMT4lLB`=yqD>hQ(EwFj?Wy?ZE^u=Gjx&;7Ik"
            "l9<7r4NFa@j`kfJXKE^^CF;#$yH-ldwLjGW!bAap30J_^<KGO^L}QwMr8=9xJF#H@"
        ),
    ),
}
